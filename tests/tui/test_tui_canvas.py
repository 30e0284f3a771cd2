"""Charts keep the extremes, leave gaps where nothing was measured, and never leave their frame."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft_tui.charts.canvas import Canvas, Polyline, Series
from atft_tui.charts.chart import limits, plot

EMPTY = " "


def chart(many, width, height, label, zero=False, at=None):
    """The lines of a chart."""
    return plot(many, width, height, label, zero=zero).lines(at)


def series(*ys, name="0", style="$text-primary"):
    """One point per unit of x."""
    return Series(name, Polyline((float(x), y) for x, y in enumerate(ys)), style)


def drawn(one, columns=20, rows=4, y=(0.0, 1.0)):
    """A series on a canvas of its own."""
    pieces = one.line.pieces
    canvas = Canvas(columns, rows, (pieces[0][0][0], pieces[-1][0][-1]), y)
    canvas.line(one.line, one.style)
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


@pytest.mark.parametrize("count", [50, 3000])
def test_every_point_is_on_the_line(count):
    random.seed(7)
    values = [random.random() for _ in range(count)]
    canvas = Canvas(20, 4, (0.0, count - 1.0), (0.0, 1.0))
    dots = {canvas.dot(float(x), y) for x, y in enumerate(values)}
    assert {(x, 15 - height) for x, height in dots} <= lit(drawn(series(*values)))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_a_line_is_whole_and_no_thicker_than_it_must_be(values):
    found = lit(drawn(series(*values), columns=30, rows=6))
    assert {x for x, _ in found} == set(range(60)), "no column is left out"
    columns = [sorted(y for x, y in found if x == column) for column in range(60)]
    for column in columns:
        assert column == list(range(column[0], column[-1] + 1)), "a column is one stroke"
    for before, after in pairwise(columns):
        assert before[0] <= after[-1] + 1 and after[0] <= before[-1] + 1, "strokes meet"


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
    assert canvas.dot(-5.0, 9.0) == (0, 7)
    assert canvas.dot(5.0, -9.0) == (19, 0)


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
def test_without_a_point_there_are_no_limits_and_no_chart(nothing):
    assert limits(nothing) is None
    assert plot(nothing, 40, 10, str) is None


def test_a_chart_has_its_limits_on_both_axes_and_names_beside_the_ends():
    lines = chart([series(0.0, 1.0, name="3"), series(1.0, 0.0, name="12")], 40, 9, "{:.2f}".format)
    texts = [line.plain for line in lines]
    assert len(texts) == 9
    assert texts[0].startswith("  1.05 ")
    assert texts[7].startswith(" -0.05 ")
    assert texts[3].startswith("  0.50 ")
    assert texts[8].split() == ["0", "1"]
    assert texts[0].endswith(" 3")
    assert texts[7].endswith(" 12")


def test_two_lines_that_end_at_the_same_place_keep_both_names():
    lines = chart([series(0.0, 1.0, name="a"), series(0.5, 1.0, name="b")], 40, 9, str)
    ends = [line.plain.rsplit(None, 1)[-1] for line in lines]
    assert {"a", "b"} <= set(ends)


def test_a_chart_that_shows_zero_reaches_it():
    lines = chart([series(0.5, 0.6)], 40, 9, "{:.2f}".format, zero=True)
    assert lines[7].plain.startswith(" 0.00 ")
    assert any(mark in lines[7].plain for mark in "⡀⣀⢀")


def test_a_single_epoch_names_its_place_once():
    assert chart([series(0.5)], 40, 9, str)[-1].plain.split() == ["0"]


def test_styles_follow_the_line_that_was_drawn_last():
    canvas = Canvas(4, 1, (0.0, 7.0), (0.0, 1.0))
    canvas.line(Polyline([(0.0, 0.0), (7.0, 0.0)]), "$text-primary")
    canvas.line(Polyline([(4.0, 1.0), (7.0, 1.0)]), "$text-error")
    (content,) = canvas.lines([""], [("", "")])
    assert content.plain == "⣀⣀⣉⣉"
    assert [(s.start, s.end, s.style) for s in content.spans] == [
        (0, 2, "$text-primary"), (2, 4, "$text-error"),
    ]  # fmt: skip


def test_a_hairline_stands_at_its_place_and_the_axis_names_it():
    lines = [line.plain for line in chart([series(*range(101))], 60, 9, str, at=50.0)]
    column = lines[0].index("⢸") if "⢸" in lines[0] else lines[0].index("⡂")
    assert all(line[column] not in " " for line in lines[:-1])
    assert lines[-1].split() == ["0", "50", "100"]
    assert abs(lines[-1].index("50") - column) <= 1


@pytest.mark.parametrize("at", [0.0, 1.0, 100.0])
def test_the_axis_names_no_place_twice(at):
    assert chart([series(*range(101))], 60, 9, str, at=at)[-1].plain.split() == ["0", "100"]


def banded(count):
    return Series("0", Polyline((float(x), 0.5) for x in range(count)), "$text-primary",
                  Polyline((float(x), 0.0) for x in range(count)),
                  Polyline((float(x), 1.0) for x in range(count)))  # fmt: skip


def test_few_points_have_whiskers_from_end_to_end():
    canvas = Canvas(10, 2, (0.0, 2.0), (0.0, 1.0))
    one = banded(3)
    canvas.whiskers(one.low, one.high, "")
    assert {x for x, _ in lit(canvas.text())} == {0, 10, 19}
    assert len(lit(canvas.text())) == 3 * 8


def test_many_points_have_both_edges_instead():
    canvas = Canvas(10, 2, (0.0, 99.0), (0.0, 1.0))
    one = banded(100)
    canvas.whiskers(one.low, one.high, "")
    assert {y for _, y in lit(canvas.text())} == {0, 7}


def test_a_chart_has_room_for_the_whiskers():
    assert limits([banded(3)])[1] == pytest.approx((-0.05, 1.05))


NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(st.lists(NUMBERS, max_size=40), min_size=1, max_size=6),
    st.integers(1, 120),
    st.integers(1, 40),
)
def test_no_chart_leaves_its_frame(many, width, height):
    found = plot([series(*ys) for ys in many], width, height, "{:.3g}".format, zero=True)
    lines = found.lines(len(many[0]) / 2) if found else []
    assert len(lines) in (0, height)
    for line in lines:
        assert line.plain.isprintable()
        assert "\n" not in line.plain
        assert len(line.plain) <= max(width, 26), "the labels need their room"


def test_a_hairline_leaves_the_chart_as_it_was():
    found = plot([series(*range(20))], 40, 9, str)
    before = [line.plain for line in found.lines()]
    assert [line.plain for line in found.lines(7)] != before
    assert [line.plain for line in found.lines()] == before
