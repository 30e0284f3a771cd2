"""What a terminal is sent to ring its bell and to notify the desktop that it runs on.

The sequences travel where the screen does, over SSH too. OSC 9 is the form of iTerm2, OSC 777 that
of rxvt; many terminals know both, most ignore what they do not know. tmux hands a sequence on only
when it is wrapped, and only with `set -g allow-passthrough on`.
"""

from __future__ import annotations

from collections.abc import Mapping

from atft_core.notify.message import Message
from atft_core.notify.settings import Settings
from atft_core.run.alerts import reaches

BELL = "\a"
CHANNELS = ("bell", "osc9", "osc777")


def sequences(message: Message, environ: Mapping[str, str]) -> dict[str, str]:
    """By channel, what to send for a message."""
    if environ.get("TERM") == "linux":  # the kernel's own console prints what it does not know
        return {"bell": BELL}
    body = f"{_field(message.title)};{_field(message.text)}"
    return {
        "bell": BELL,
        "osc9": _wrapped(f"\x1b]9;{_field(message.line)}\a", environ),
        "osc777": _wrapped(f"\x1b]777;notify;{body}\a", environ),
    }


def wanted(settings: Settings, message: Message, environ: Mapping[str, str]) -> dict[str, str]:
    """Those of the sequences that the settings ask for."""
    if message.key in settings.silent:
        return {}
    return {
        channel: sequence
        for channel, sequence in sequences(message, environ).items()
        if reaches(message.level, getattr(settings, channel))
    }


def _field(text: str) -> str:
    """A part of a sequence: a semicolon would begin the next one."""
    return text.replace(";", ",")


def _wrapped(sequence: str, environ: Mapping[str, str]) -> str:
    """The sequence, through tmux to the terminal around it."""
    if not environ.get("TMUX"):
        return sequence
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"
