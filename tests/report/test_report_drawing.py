"""Drawings take the page's colours and share its names with no other."""

import re

from atft_core.report.drawing import ONE, drawing
from atft_core.report.figures import shares


def test_a_drawing_has_no_colour_of_its_own_no_size_and_no_name_of_another():
    def draw(axes):
        axes.plot([1, 2, 3], color=ONE)
        axes.fill_between([0, 1, 2], [1, 2, 3], color=ONE, alpha=0.2)

    first, second = (drawing(name, 'says "so" <b>', draw) for name in ("one", "two"))
    assert "var(--one)" in first and "var(--line)" in first
    assert not re.search(r"(stroke|fill): #(?!f{6})", first), "a dark page would show it"
    assert 'aria-label="says &quot;so&quot; &lt;b&gt;"' in first
    assert not re.search(r'<svg[^>]* (width|height)="', first)
    ids = [re.findall(r'id="([^"]+)"', text) for text in (first, second)]
    assert ids[0] and not set(ids[0]) & set(ids[1])
    for name in re.findall(r'(?:href="#|url\(#)([^")]+)', first):
        assert name in ids[0]
    assert drawing("one", 'says "so" <b>', draw) == first, "the same every time"


def test_names_of_others_are_text():
    svg = shares("n", "s", {"<script>alert(1)</script>": 1.0, r"$\frac$": 0.5}, "x")
    assert r"$\frac$" in svg, "no formula"
    assert "<script" not in svg and "&lt;script&gt;" in svg
