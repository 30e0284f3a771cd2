"""Text from outside: log lines, reasons, names, paths, codes, the answers of other programs.

A terminal obeys escape sequences wherever they stand: a stock's code must not be able to set the
clipboard or redraw the verdict. Whatever is shown to a person passes `clean` once.
"""

from __future__ import annotations

import re
import unicodedata

DAMAGE = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""What comes of values that are not what they should be, in a file that others wrote."""
_MARKS = 2
"""Combining marks kept in a row; more pile up over neighbouring lines."""

_STRING = r"(?:\x1b[PX^_\]]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x1b\\|[\x07\x9c])"
_CONTROL = r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
_SEQUENCE = re.compile(f"{_STRING}|{_CONTROL}")


def clean(text: str, limit: int = 2000) -> str:
    """`text` without anything that a terminal would obey: printable, on one line, bounded.

    Whole escape sequences vanish (colour in a log is noise here). Every other character that is
    not printable, bidirectional overrides included, becomes a visible dot: nothing is hidden.
    """
    text = text[:limit]
    if text.isascii() and text.isprintable():
        return text
    text = _SEQUENCE.sub("", text).replace("\t", "    ")
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MARKS:
            kept.append(char if char.isprintable() else "·")
    return "".join(kept)
