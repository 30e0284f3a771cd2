"""Charts keep the extremes, leave gaps where nothing was measured, and never leave their frame."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft_tui.canvas import Canvas, Series, chart, limits

EMPTY = " "


def series(*ys, name="0", style="$text-primary"):
    """One point per unit of x."""
    return Series(name, tuple((float(x), y) for x, y in enumerate(ys)), style)


def drawn(one, columns=20, rows=4, y=(0.0, 1.0)):
    """A series on a canvas of its own."""
    canvas = Canvas(columns, rows, (one.points[0][0], one.points[-1][0]), y)
    canvas.line(one)
    return canvas.text()


def lit(text):
    """Dots as (column, row from the top)."""
    places = [0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80]
    return {
        (2 * x + place // 4, 4 * y + place % 4)
        for y, row in enumerate(text)
        for x, cell in enumerate(row)
        for place, bit in enumerate(places)
        if cell != EMPTY and (ord(cell) - 0x2800) & bit
    }


@pytest.mark.parametrize("place", [0, 1, 4_999, 5_000, 9_998, 9_999])
@pytest.mark.parametrize("spike", [0.0, 1.0])
def test_one_spike_among_ten_thousand_points_is_drawn(place, spike):
    values = [0.5] * 10_000
    values[place] = spike
    rows = {row for _, row in lit(drawn(series(*values)))}
    assert rows & ({15} if spike == 0.0 else {0}), "the edge that the spike reaches"


def test_thinning_changes_no_dot():
    random.seed(7)
    values = [random.random() for _ in range(3000)]
    canvas = Canvas(20, 4, (0.0, 2999.0), (0.0, 1.0))
    dots = [canvas.dot(float(x), y) for x, y in enumerate(values)]
    for (x0, y0), (x1, y1) in pairwise(dots):
        if x0 == x1:  # within a column every pair is joined by a vertical stroke
            for y in range(min(y0, y1), max(y0, y1) + 1):
                canvas.set(x0, y, "")
    every = lit(canvas.text())
    assert every <= lit(drawn(series(*values)))


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_a_missing_value_leaves_a_gap(missing):
    text = drawn(series(0.5, 0.5, missing, 0.5, 0.5), columns=20)
    columns = {column for column, _ in lit(text)}
    assert columns == {*range(11), *range(29, 40)}


def test_values_that_are_all_there_are_joined():
    columns = {column for column, _ in lit(drawn(series(0.1, 0.9, 0.2)))}
    assert columns == set(range(40))


def test_a_single_point_is_one_dot():
    assert lit(drawn(series(0.5), columns=3, rows=1)) == {(2, 1)}


def test_high_values_are_above_low_ones():
    text = drawn(series(0.0, 1.0))
    assert min(lit(text)) == (0, 15)
    assert max(lit(text)) == (39, 0)


def test_what_lies_outside_is_drawn_at_the_edge():
    canvas = Canvas(10, 2, (0.0, 1.0), (0.0, 1.0))
    assert canvas.dot(-5.0, 9.0) == (0, 0)
    assert canvas.dot(5.0, -9.0) == (19, 7)


def test_a_constant_series_is_a_line_in_the_middle_of_its_limits():
    (x, y) = limits([series(0.3, 0.3, 0.3)])
    assert x == (0.0, 2.0)
    assert y[0] < 0.3 < y[1]
    rows = {row for _, row in lit(drawn(series(0.3, 0.3, 0.3), rows=2, y=y))}
    assert len(rows) == 1
    assert rows <= {3, 4}


def test_a_series_of_zeros_has_limits_that_differ():
    assert limits([series(0.0, 0.0)])[1] == (-1.0, 1.0)


def test_limits_cover_all_series_and_what_is_not_finite_does_not_count():
    found = limits([series(1.0, None, 3.0), series(math.inf, -2.0, math.nan, 0.0)])
    assert found[0] == (0.0, 3.0)
    assert found[1] == pytest.approx((-2.25, 3.25))


@pytest.mark.parametrize("nothing", [[], [series()], [series(None, math.nan)]])
def test_without_a_point_there_are_no_limits_and_the_chart_says_so(nothing):
    assert limits(nothing) is None
    (line,) = chart(nothing, 40, 10, str)
    assert line.plain == "no epoch has ended yet"


def test_a_chart_has_its_limits_on_both_axes_and_names_beside_the_ends():
    lines = chart([series(0.0, 1.0, name="3"), series(1.0, 0.0, name="12")], 40, 9, "{:.2f}".format)
    texts = [line.plain for line in lines]
    assert len(texts) == 9
    assert texts[0].startswith(" 1.05 ")
    assert texts[7].startswith("-0.05 ")
    assert texts[3].startswith(" 0.50 ")
    assert texts[8].split() == ["0", "1"]
    assert texts[0].endswith(" 3")
    assert texts[7].endswith(" 12")


def test_two_lines_that_end_at_the_same_place_keep_both_names():
    lines = chart([series(0.0, 1.0, name="a"), series(0.5, 1.0, name="b")], 40, 9, str)
    ends = [line.plain.rsplit(None, 1)[-1] for line in lines]
    assert {"a", "b"} <= set(ends)


def test_a_chart_that_shows_zero_reaches_it():
    lines = chart([series(0.5, 0.6)], 40, 9, "{:.2f}".format, zero=True)
    assert lines[7].plain.startswith("0.00 ")
    assert any(mark in lines[7].plain for mark in "⡀⣀⢀")


def test_a_single_epoch_names_its_place_once():
    assert chart([series(0.5)], 40, 9, str)[-1].plain.split() == ["0"]


NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(st.lists(NUMBERS, max_size=40), min_size=1, max_size=6),
    st.integers(1, 120),
    st.integers(1, 40),
)
def test_no_chart_leaves_its_frame(many, width, height):
    lines = chart([series(*ys) for ys in many], width, height, "{:.3g}".format, zero=True)
    assert len(lines) in (1, height)
    for line in lines:
        assert line.plain.isprintable()
        assert "\n" not in line.plain
        assert len(line.plain) <= max(width, 26), "the labels need their room"
