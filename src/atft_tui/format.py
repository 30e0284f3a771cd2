"""Numbers, paths and words, cut and aligned for the screen.

Foreign text passes `clean` once and is shown as `Content`, which knows no markup.
"""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from textual.content import Content

from atft_core.run import wording
from atft_core.run.foreign import clean
from atft_core.run.wording import MISSING

clock = wording.clock
"""Time of day of a Unix time, in the local zone."""

_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|h|W|C|KiB|MiB|GiB)(?!\w))")
TIED = "\u00a0"
"""A space at which `wrapped` breaks no line."""


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells; what is missing is announced by an ellipsis."""
    if cell_len(text) <= width:
        return text
    kept = text[: max(0, width - 1)]
    while kept and cell_len(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…" if width > 0 else ""


def cut_left(text: str, width: int) -> str:
    """Like `cut`, but keeps the end: the end of a path says more than its beginning."""
    if cell_len(text) <= width:
        return text
    kept = text[-(width - 1) :] if width > 1 else ""
    while kept and cell_len(kept) > width - 1:
        kept = kept[1:]
    return "…" + kept if width > 0 else ""


def pad(text: str, width: int) -> str:
    """`text` cut or filled to exactly `width` cells."""
    text = cut(text, width)
    return text + " " * (width - cell_len(text))


def wrapped(text: str, width: int, lines: int = 0) -> list[str]:
    """`text` in lines of at most `width`; a number keeps its unit.

    What does not fit into that many `lines` (0: any) is announced by an ellipsis.
    """
    tied = _UNIT.sub(TIED, text)
    pieces = [piece.replace(TIED, " ") for piece in textwrap.wrap(tied, max(20, width))]
    if lines and len(pieces) > lines:
        pieces = [*pieces[: lines - 1], cut(f"{pieces[lines - 1]} …", max(20, width))]
    return pieces


def figure(value: float | int | str | bool | None) -> str:
    """A value of unknown kind: a parameter, a setting."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return clean(str(value), 200)


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested settings with dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = value.items() if isinstance(value, dict) else ()
        found |= {f"{key}.{name}": item for name, item in inner} or {key: value}
    return found


def shown_text(value: object) -> str:
    """Text of another program, on one line."""
    return clean(str("" if value is None else value), 200)


def shown_path(path: Path) -> str:
    """A path as a person reads it."""
    return clean(str(relative(path)))


def relative(path: Path) -> Path:
    """A path as one would type it here: relative where it lies below."""
    with suppress(ValueError, OSError):
        return path.relative_to(Path.cwd())
    return path


def day(t: float) -> str:
    """Date of a Unix time, in the local zone; a dash for what is none."""
    try:
        return time.strftime("%Y-%m-%d", time.localtime(t))
    except (ValueError, OverflowError, OSError):
        return MISSING


def line(*parts: str | tuple[str, str]) -> Content:
    """One line from plain strings and (text, style) pairs; styles are theme colours."""
    return Content.assemble(*parts)


def table(cells: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows of equal columns, left-aligned: labels and values of one small table."""
    if not cells:
        return []
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [gap.join(pad(c, w) for c, w in zip(row, widths, strict=True)) for row in cells]


GLYPHS = {
    "PASS": ("ok", "$text-success"),
    "FAIL": ("XX", "$text-error"),
    "PENDING": ("..", "$text-muted"),
    "UNKNOWN": ("??", "$text-warning"),
    "RUNNING": (">>", "$text-accent"),
    "LOCKED": ("--", "$text-muted"),
}
"""State as two characters; the colour only repeats what they say."""
