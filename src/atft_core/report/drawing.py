"""Drawings as SVG that take their colours from the page: one picture for light, dark and print."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT, MUTED, LINE = "#010203", "#010204", "#010205"
ONE, TWO, THREE = "#010206", "#010207", "#010208"
"""No colours, but places for the page's: replaced by its variables."""
_VARIABLES = {TEXT: "text", MUTED: "muted", LINE: "line", ONE: "one", TWO: "two", THREE: "three"}
_STYLE: Any = {
    "text.parse_math": False,  # a sector may be called $x_$
    "svg.fonttype": "none", "font.size": 10.0, "font.family": "sans-serif",
    "text.color": TEXT, "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": TEXT, "ytick.labelcolor": TEXT, "axes.edgecolor": LINE,
    "grid.color": LINE, "grid.linewidth": 0.6, "axes.grid": True, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "legend.frameon": False, "lines.linewidth": 1.4, "axes.titlesize": 10.0,
}  # fmt: skip
WIDTH = 7.2
"""Inches; the page scales it."""

Draw = Callable[["Axes"], None]


def drawing(name: str, says: str, draw: Draw, *, height: float = 2.8) -> str:
    """An `svg` element. `name`: a word that no other drawing of the page has; `says`: what is to be
    seen, for those who cannot.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        figure.patch.set_alpha(0.0)
        axes.patch.set_alpha(0.0)
        out = io.StringIO()
        canvas.print_svg(out, metadata={"Date": None, "Creator": None})
    return _inline(out.getvalue(), name, says)


def _inline(text: str, name: str, says: str) -> str:
    """Without what only a file of its own needs, with names that are unique on the page."""
    svg = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = html.escape(says, quote=True)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
