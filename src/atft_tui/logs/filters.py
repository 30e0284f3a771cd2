"""What a log is filtered by: regular expressions that a person typed.

`Epoch &trial [13] !GPU` keeps the lines that match `Epoch` and `trial [13]` and not `GPU`: a space
and `&` begin another expression that must match, a space and `!` one that must not. Other spaces
belong to the expression that they stand in.
"""

from __future__ import annotations

import re
import shlex
import warnings
from dataclasses import dataclass

MAX_TEXT = 500
HOW = "regular expressions: RE &ALSO_RE !NOT_RE"
_TERMS = re.compile(r"\s+(?=[!&])")


@dataclass(frozen=True)
class Filter:
    """Expressions of which a line must match all, and of which it must match none."""

    text: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def command(self, log: str) -> str:
        """The command line that shows the same."""
        greps = [f"grep -E {shlex.quote(each)}" for each in self.include]
        greps += [f"grep -vE {shlex.quote(each)}" for each in self.exclude]
        return " | ".join([f"tail -f {log}", *greps])


def parse_filter(text: str) -> Filter | None:
    """The filter that was typed, None for an empty one; ValueError says what is wrong with it."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} characters")
    terms = _TERMS.split(text.strip())
    exclude = tuple(term[1:] for term in terms if term.startswith("!") and term != "!")
    include = tuple(term.removeprefix("&") for term in terms if term[:1] not in ("", "!"))
    include = tuple(term for term in include if term)
    for term in (*include, *exclude):
        _check(term)
    return Filter(text.strip(), include, exclude) if include or exclude else None


def _check(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"bad expression: {error}") from error
