"""Numbers and states in words, for the screen, the command line and the log alike."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from atft_core.run.foreign import clean

MISSING = "-"
"""Shown where a number is not known."""
TRIAL_WORDS = {
    "COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed",
    "RUNNING": "runs", "WAITING": "waits", "ASKED": "asked",
}  # fmt: skip
"""States of trials as people say them; files and JSON have the names of Optuna."""


HUGE = 1e7
"""From here on a number is written by its exponent."""


def finite(value: Any) -> float | None:
    """`value` as a float; None for what is no finite number (NaN, infinity, True, text)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number that no float can hold
        return None


def fixed(value: float | None, decimals: int, width: int = 0, *, sign: str = "") -> str:
    """A number with fixed decimals, right-aligned; a dash where there is none.

    One that has grown beyond all measure is as long as others: 3e+300. `sign`: "+" shows each.
    """
    known = finite(value)
    if known is None:
        return MISSING.rjust(width)
    form = f".{decimals}f" if abs(known) < HUGE else ".3g"
    return f"{known:{sign}{form}}".rjust(width)


def metric_name(name: str) -> str:
    """A metric as a reader knows it."""
    return "RankIC" if name == "rank_ic" else clean(name, 40)


def signed(value: object, decimals: int = 4) -> str:
    """A value that may be of any size, with its sign; one too small for its decimals is not 0."""
    known = finite(value)
    if known and abs(known) < 10**-decimals:
        return f"{known:+.3g}"
    return fixed(known, decimals, sign="+")


def ratio(value: float | None, width: int = 0) -> str:
    """A correlation to three decimals, without the zero that all of them start with."""
    text = fixed(value, 3)
    if text.startswith(("0.", "-0.")):
        text = text.replace("0.", ".", 1)
    return ("." + "000" if text == "-.000" else text).rjust(width)


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: 14 s, 7m41, 1h12, 2d03h."""
    known = finite(seconds)
    if known is None:
        return MISSING
    whole = max(0, int(known))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def clock(t: float) -> str:
    """Time of day of a Unix time, in the local zone; a dash for what is none."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(t))
    except (ValueError, OverflowError, OSError):
        return MISSING


def size(count: float | None) -> str:
    """Bytes with a binary unit."""
    if count is None:
        return MISSING
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def panel_in_brief(facts: Mapping[str, Any]) -> str:
    """How large a run's panel is; what it runs, where a program reads data of its own."""
    if facts.get("command"):
        return "a program of its own"
    return f"{facts.get('stocks', '?')} stocks x {facts.get('days', '?')} days"


def scale(trials: int, epochs: int) -> str:
    """How much is run: `1 trial x 2 epochs`."""
    return f"{several(trials, 'trial')} x {several(epochs, 'epoch')}"


def several(count: int, noun: str) -> str:
    """`1 trial`, `3 trials`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def trial_word(state: str) -> str:
    """The state of a trial as a person says it; of a newer version's, its name."""
    return TRIAL_WORDS.get(state) or clean(state, 6).lower()
