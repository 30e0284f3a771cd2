"""The engine's side of the hook and the webhooks: it hands messages over and never waits.

One process at a time takes what has gathered, so messages keep their order and a hook that hangs
holds up only the next messages. Each is handed over once: an engine that is killed in that very
moment loses it, and one that resumes sends nothing again, for it tells only what it writes itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable

from atft_core.launch import program
from atft_core.notify.deliver import wanted
from atft_core.notify.message import Message
from atft_core.notify.settings import Loaded
from atft_core.run.wording import several

BATCH = 20
"""Messages that one process takes at most."""
WAITING = 200
"""Messages that wait at most; what comes on top of them is not sent, and that is said."""
LAST_SECONDS = 2.0
"""How long the end of a run waits for the answer to its last messages."""


class Outbox:
    """Messages that wait, and the process that sends some of them."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._sending: subprocess.Popen[bytes] | None = None
        self._failing: set[str] = set()
        self._dropped = 0
        self.left: list[subprocess.Popen[bytes]] = []
        """Processes that were still at work when the run ended; they end by themselves."""

    @property
    def busy(self) -> bool:
        """Whether anything is still to be sent, or on its way."""
        return bool(self._waiting) or self._sending is not None

    def put(self, loaded: Loaded, messages: Iterable[Message]) -> None:
        """Take what somebody wants to be told."""
        for message in messages:
            if loaded.off or not wanted(loaded.settings, message):
                continue
            if len(self._waiting) < WAITING:
                self._waiting.append(message)
            else:
                self._dropped += 1

    def turn(self) -> list[str]:
        """Look after the process and start the next one; what newly failed, in words."""
        failures = self._answer()
        if self._dropped:
            said = f"{several(self._dropped, 'alert')} not sent: too many at once"
            self._dropped, failures = 0, [*failures, said]
        if self._sending is None and self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            failures += self._send(batch)
        return failures

    def close(self) -> list[str]:
        """Hand over the rest; what failed of it, as far as that is known soon."""
        failures = self.turn()
        give_up = time.monotonic() + LAST_SECONDS
        while self.busy and time.monotonic() < give_up:
            time.sleep(0.02)
            failures += self.turn()
        self._leave()
        for start in range(0, len(self._waiting), BATCH):  # beside the one that is not done
            failures += self._send(self._waiting[start : start + BATCH])
            self._leave()
        self._waiting = []
        return failures

    def _leave(self) -> None:
        if self._sending is not None:
            self.left.append(self._sending)
            self._sending = None

    def _send(self, batch: list[Message]) -> list[str]:
        """Start a process on some messages. They lie in memory: it may read them when it likes."""
        given = os.memfd_create("atft-alerts")
        try:
            os.write(given, json.dumps([message.json() for message in batch]).encode())
            os.lseek(given, 0, os.SEEK_SET)
            self._sending = subprocess.Popen(
                program("atft_core.notify"),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:  # no process, no memory: the run goes on
            return [f"alerts could not be sent: {error.strerror}"]
        finally:
            os.close(given)
        return []

    def _answer(self) -> list[str]:
        """What the process that has ended says; each channel's failure once until it works."""
        process = self._sending
        if process is None or process.poll() is None or process.stdout is None:
            return []
        with process.stdout:
            said = process.stdout.read()
        self._sending = None
        failed, worked = _told(said, process.returncode)
        news = {channel: why for channel, why in failed.items() if channel not in self._failing}
        self._failing = (self._failing | news.keys()) - worked
        return [f"alerts do not get through, {channel}: {why}" for channel, why in news.items()]


def _told(said: bytes | str, code: int | None) -> tuple[dict[str, str], set[str]]:
    """Which channels failed, with the reason, and which worked; a plug-in may have printed, too."""
    try:
        answer = json.loads(said)
        failed, worked = answer["failed"], answer["worked"]
        return {str(k): str(v) for k, v in failed.items()}, {str(each) for each in worked}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {"sender": f"ended with code {code}"}, set()
