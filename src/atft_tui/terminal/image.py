"""The screen as cells, and how Textual's updates change it.

Rows are tuples that are replaced, never changed: a thread that holds an image can read it at
leisure, and a row that is the same object needs no comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from atft_tui.terminal.charset import in_ascii

_ATTRIBUTES = {
    "bold": "1", "dim": "2", "italic": "3", "underline": "4", "blink": "5", "reverse": "7",
    "strike": "9",
}  # fmt: skip
_NOT_SHOWN = "\ufffd"


class Ink(NamedTuple):
    """Parameters of an SGR sequence, in three parts; an empty part is the terminal's own."""

    attributes: str = ""
    foreground: str = ""
    background: str = ""


Cell = tuple[str, Ink]
"""What stands in a cell; the right half of a wide character is an empty text."""
Row = tuple[Cell, ...]

BLANK: Cell = (" ", Ink())


class Palette(NamedTuple):
    """What this terminal can show."""

    colours: ColorSystem | None = ColorSystem.TRUECOLOR
    """None: none at all (NO_COLOR)."""
    ascii: bool = False


@lru_cache(maxsize=4096)
def ink_of(style: Style | None, colours: ColorSystem | None) -> Ink:
    """The ink of a style; without colours only bold, underline and the like are left."""
    if style is None:
        return Ink()
    attributes = ";".join(code for name, code in _ATTRIBUTES.items() if getattr(style, name))
    if colours is None:
        return Ink(attributes)
    fore, back = style.color, style.bgcolor
    return Ink(
        attributes,
        ";".join(fore.downgrade(colours).get_ansi_codes()) if fore else "",
        ";".join(back.downgrade(colours).get_ansi_codes(foreground=False)) if back else "",
    )


@lru_cache(maxsize=8192)
def cells_of(text: str, ink: Ink, *, ascii_only: bool = False) -> Row:
    """Text as cells. Nothing that a terminal would obey passes, whoever forgot to clean it."""
    if ascii_only:
        text = in_ascii(text)
    if text.isascii() and text.isprintable():
        return tuple((character, ink) for character in text)
    cells: list[Cell] = []
    for start, end, width in split_graphemes(text)[0]:
        shown = text[start:end]
        if not all(character.isprintable() or character == "\u200d" for character in shown):
            shown = _NOT_SHOWN * max(width, 1)
            cells += [(character, ink) for character in shown]
            continue
        cells.append((shown, ink))
        cells += [("", ink)] * (width - 1)
    return tuple(cells)


class Image:
    """A screen full of cells."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.rows: list[Row] = [(BLANK,) * width] * height

    def copy(self) -> Image:
        """The image as it is now."""
        made = Image(self.width, self.height)
        made.rows = list(self.rows)
        return made

    def put(self, y: int, x: int, strips: Iterable[Strip], palette: Palette) -> None:
        """Write strips beside each other from a place on; what hangs over the edge is cut."""
        if not 0 <= y < self.height:
            return
        cells: list[Cell] = []
        for strip in strips:
            for segment in strip:
                cells += _cells(segment, palette)
        row = self.rows[y]
        end = min(self.width, x + len(cells))
        self.rows[y] = row[:x] + tuple(cells[: end - x]) + row[end:]


def _cells(segment: Segment, palette: Palette) -> Row:
    return cells_of(segment.text, ink_of(segment.style, palette.colours), ascii_only=palette.ascii)


def paint(image: Image, update: LayoutUpdate | ChopsUpdate, palette: Palette) -> None:
    """Bring an image up to date."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            image.put(y, update.region.x, strips, palette)
        return
    for y in {y for y, _, _ in update.spans}:
        for x, strip in update.chops[y].items():
            if strip is not None:
                image.put(y, x, (strip,), palette)
