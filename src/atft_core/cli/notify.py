"""`atft notify`: what would be told and where; `--test` tells it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any, TextIO

from atft_core.cli.output import print_json, say, table
from atft_core.errors import UsageError
from atft_core.notify.deliver import Sent, deliver
from atft_core.notify.message import Message, example
from atft_core.notify.settings import SWITCH, Loaded, Settings, load, meanings
from atft_core.notify.terminal import CHANNELS, sequences
from atft_core.notify.webhooks import label

_WIDTH = 30
"""Of a key and its value; what it means stands beside it."""
_NOT_TRIED = "not tried: "
"""Beginning of an answer that is no failure: a terminal is the console's, not this command's."""


def show(*, as_json: bool) -> None:
    """Every key with its value, where that is from, and what it means."""
    loaded, texts = load(), meanings()
    values = _shown(loaded.settings)
    if as_json:
        keys = {key: {"value": values[key], "origin": loaded.origins[key], "meaning": text}
                for key, text in texts.items()}  # fmt: skip
        print_json({"file": str(loaded.path), "exists": loaded.path.exists(),
                    "off": loaded.off, "keys": keys})  # fmt: skip
        return
    say(f"# {loaded.path}" + ("" if loaded.path.exists() else " (not there: all defaults)"))
    if loaded.off:
        say(f"# {SWITCH}={os.environ[SWITCH]}: nothing is told")
    for key, text in texts.items():
        origin = "default" if loaded.origins[key] == "default" else "file"
        pair = f"{key} = {json.dumps(values[key], ensure_ascii=False)}"
        say(f"{pair:{_WIDTH}} # {origin:7}  {text}")


def _shown(settings: Settings) -> dict[str, Any]:
    """The values, without what may be a secret."""
    return {**asdict(settings), "urls": [label(url) for url in settings.urls]}


def test(*, as_json: bool) -> int:
    """Send one alert through every channel; exit code 1 when one of them failed."""
    loaded, alert = load(), example()
    if loaded.off:
        raise UsageError(f"{SWITCH}={os.environ[SWITCH]} switches all of it off.",
                         hint=f"unset {SWITCH}")  # fmt: skip
    found = [*_terminal(loaded, alert), *deliver(loaded.settings, alert, always=True)]
    failed = any(each.why_not and not each.why_not.startswith(_NOT_TRIED) for each in found)
    if as_json:
        channels = [{"channel": each.channel, "sent": not each.why_not, "why_not": each.why_not}
                    for each in found]  # fmt: skip
        print_json({"ok": not failed, "alert": alert.json(), "channels": channels})
    else:
        say(table([["channel", "result"], *([each.channel, each.why_not or "sent"]
                                            for each in found)]))  # fmt: skip
        for line in _silent(loaded.settings):
            say(line)
    return 1 if failed else 0


def _terminal(loaded: Loaded, alert: Message) -> list[Sent]:
    """What the console would send to this terminal; whether it obeys, only a person sees."""
    on = [channel for channel in CHANNELS if getattr(loaded.settings, channel) != "off"]
    stream = _stream()
    if stream is None:
        return [Sent(channel, f"{_NOT_TRIED}there is no terminal here") for channel in on]
    found = sequences(alert, os.environ)
    stream.write("".join(found[channel] for channel in on if channel in found))
    stream.flush()
    absent = f"{_NOT_TRIED}this terminal has no desktop"
    return [Sent(channel, "" if channel in found else absent) for channel in on]


def _stream() -> TextIO | None:
    """The terminal, where one of our streams is one."""
    return next((each for each in (sys.stderr, sys.stdout) if each.isatty()), None)


def _silent(settings: Settings) -> list[str]:
    """What is not configured, for who wonders."""
    channels = {"hook": settings.hook, "webhooks (urls)": settings.urls}
    return [f"{name}: not configured" for name, value in channels.items() if not value]
