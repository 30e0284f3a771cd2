"""A criterion in words: value, bar, error, as the screen and the command line say them."""

from __future__ import annotations

from atft_core.run.judge.criteria import Result, Verdict
from atft_core.run.stages import Bar, deciding_bar
from atft_core.run.wording import MISSING, fixed, ratio

_UNITS = {"share": " %", "%": " %", "s": " s", "count": ""}
"""How bars of a unit end; shares are shown in per cent."""


def value(result: Result) -> str:
    """What was measured, or what was seen."""
    return result.observed or quantity(result.value, result.unit)


def quantity(value: float | None, unit: str) -> str:
    """A value in its unit; shares are shown in per cent."""
    if value is None:
        return MISSING
    if unit == "share":
        share = 100 * value
        return f"{fixed(share, 1 if 0 < abs(share) < 10 else 0)} %"
    if unit == "%":
        return f"{fixed(value, 0)} %"
    if unit == "s":
        return f"{fixed(value, 1)} s"
    if unit == "count":
        return fixed(value, 0)
    return ratio(value)


def bound(result: Result, value: float | None) -> str:
    """A bar with its comparison: `> 40 %`, `< 360 s`, `> .040`."""
    if value is None:
        return ""
    scaled = 100 * value if result.unit == "share" else value
    plain = value == 0 or result.unit in _UNITS
    return f"{result.comparison} {f'{scaled:g}' if plain else ratio(value)}{_suffix(result)}"


def bars(result: Result, gate: Bar) -> str:
    """The bar that decides, and the goal where that is another one: `< 10, goal 2 %`."""
    decides, goal = bar(result, gate), bound(result, result.target)
    if result.wanted or goal in ("", decides):
        return decides
    return f"{decides.removesuffix(_suffix(result))}, goal {goal.split(maxsplit=1)[1]}"


def _suffix(result: Result) -> str:
    return _UNITS.get(result.unit, "")


def bar(result: Result, gate: Bar) -> str:
    """The bar that decides, or what should be seen."""
    if result.wanted:
        return result.wanted
    moved = result.decides is not None and gate == "minimum" and result.minimum is not None
    return bound(result, result.decides if moved else _stated(result, gate))


def _stated(result: Result, gate: Bar) -> float | None:
    """The bar as the runbook has it."""
    return deciding_bar(result.minimum, result.target, gate)


def other_bar(result: Result, gate: Bar) -> str:
    """The bar that does not decide, where it is another one: the goal, or the minimum."""
    other = bound(result, result.minimum if gate == "target" else result.target)
    return "" if result.wanted or other == bar(result, gate) else other


def signed(value: float | None, unit: str) -> str:
    """A difference with its sign, in its unit."""
    return f"+{quantity(value, unit)}" if value is not None and value > 0 else quantity(value, unit)


def margin(result: Result) -> str:
    """How far the value is on the right side of the bar; empty where what was seen is a word."""
    return "" if result.wanted or result.margin is None else signed(result.margin, result.unit)


def margin_errors(result: Result) -> str:
    """The margin in standard errors of the value, where it has one."""
    return "" if result.margin_errors is None else f"{result.margin_errors:+.1f} se"


def reason(result: Result) -> str:
    """Why there is no verdict yet, or never was one: which event is missing."""
    if not result.awaits:
        return ""
    said = "waits for" if result.verdict is Verdict.PENDING else "never came:"
    return f"{said} {result.awaits}"


def error(result: Result) -> str:
    """The standard error, in the unit of the value."""
    return "" if result.stderr is None else f"+-{quantity(result.stderr, result.unit)}"
