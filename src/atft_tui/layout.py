"""The sizes of the main screen's panes: chosen by keys, or by dragging the borders between them.

   left %
+ gpu ------+ checklist +
+ verdict --+           |
+ trials ---+           |
+ curves ---+ log ------+   the height of both: curves
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from textual import events
from textual.containers import Grid

LEFT = (25, 75)
"""Smallest and largest share of the left column, in percent."""
LEAST = 3
"""Lines of a pane with its border."""
TRIALS = 5
"""Lines that the trials keep, whatever grows."""


@dataclass(frozen=True)
class Shape:
    """Share of the left column in percent, heights in lines."""

    left: int
    gpu: int
    verdict: int
    curves: int

    def fitted(self, height: int) -> Shape:
        """What of it a screen has room for: the curves give way first."""
        room = height - TRIALS
        gpu = _within(self.gpu, LEAST, room - 2 * LEAST)
        verdict = _within(self.verdict, LEAST, room - gpu - LEAST)
        curves = _within(self.curves, LEAST, room - gpu - verdict)
        return Shape(_within(self.left, *LEFT), gpu, verdict, curves)


USUAL = Shape(left=48, gpu=6, verdict=5, curves=10)
TALL = Shape(left=47, gpu=8, verdict=4, curves=18)


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


class Body(Grid):
    """The grid of the main screen. A border that is dragged takes the panes along."""

    def __init__(self, changed: Callable[[Shape], object]) -> None:
        """`changed` is told the shape when somebody has chosen one."""
        super().__init__(id="body")
        self._changed = changed
        self._shape: Shape | None = None
        self._drags = ""

    def give(self, shape: Shape | None) -> None:
        """Give the panes these sizes; None: as the style sheet says."""
        self._shape = shape
        if shape is None:
            self.styles.grid_columns = self.styles.grid_rows = None
            return
        fits = shape.fitted(self.size.height or 1000)
        self.styles.grid_columns = f"{fits.left}fr {100 - fits.left}fr"
        self.styles.grid_rows = f"{fits.gpu} {fits.verdict} 1fr {fits.curves}"

    def on_resize(self) -> None:
        """The same shape, in another room."""
        self.give(self._shape)

    def grow(self, size: str, step: int) -> None:
        """Make one of the sizes larger; there may be none to choose (a small screen, a zoom)."""
        if self._shape is None or self.has_class("zoomed"):
            return
        fits = self._shape.fitted(self.size.height)
        self._choose(replace(fits, **{size: getattr(fits, size) + step}))

    def _choose(self, shape: Shape) -> None:
        fits = shape.fitted(self.size.height)
        self.give(fits)
        self._changed(fits)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A border is taken hold of."""
        self._drags = self._border_at(
            event.screen_x - self.region.x, event.screen_y - self.region.y
        )
        if self._drags:
            self.capture_mouse()
            event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """It follows the mouse."""
        if self._drags and self._shape:
            x, y = event.screen_x - self.region.x, event.screen_y - self.region.y
            self.give(self._dragged(self._shape, x, y).fitted(self.size.height))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """It stays where it was let go."""
        if self._drags:
            self._drags = ""
            self.release_mouse()
            if self._shape:
                self._changed(self._shape)

    def _border_at(self, x: float, y: float) -> str:
        """Which size the border under a place decides; borders of two panes lie side by side."""
        shape = self._shape
        if shape is None or self.has_class("zoomed"):
            return ""
        fits, height = shape.fitted(self.size.height), self.size.height
        column = self.size.width * fits.left // 100
        lower = height - fits.curves
        if x < column:
            edges = {"gpu": fits.gpu, "verdict": fits.gpu + fits.verdict, "curves": lower}
        else:
            edges = {"curves": lower}
        found = next((name for name, edge in edges.items() if y in (edge - 1, edge)), "")
        return found or ("left" if x in (column - 1, column) else "")

    def _dragged(self, shape: Shape, x: float, y: float) -> Shape:
        if self._drags == "left":
            return replace(shape, left=round(100 * x / max(1, self.size.width)))
        if self._drags == "gpu":
            return replace(shape, gpu=round(y))
        if self._drags == "verdict":
            return replace(shape, verdict=round(y) - shape.gpu)
        return replace(shape, curves=self.size.height - round(y))
