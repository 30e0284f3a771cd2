"""What is long is cut, what is a number is readable."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from atft_core.run.wording import duration, fixed, ratio, size
from atft_tui.format import clock, cut, cut_left, figure, pad, shown_path, table

# Widths.

wide = st.text(st.sampled_from("ab漢字é한🙂 "), max_size=60)


@given(wide, st.integers(-2, 40))
def test_a_cut_text_fits_and_says_that_it_was_cut(text, width):
    for kept in (cut(text, width), cut_left(text, width)):
        assert cell_len(kept) <= max(0, width)
        assert (kept == text) or kept == "" or "…" in kept
    assert text.startswith(cut(text, width).rstrip("…")) or width <= 0
    assert text.endswith(cut_left(text, width).lstrip("…")) or width <= 0


@given(wide, st.integers(0, 40))
def test_a_padded_text_has_exactly_its_width(text, width):
    assert cell_len(pad(text, width)) == width


@given(st.lists(st.tuples(wide, wide), min_size=1, max_size=6))
def test_the_columns_of_a_table_are_aligned(cells):
    rows = table(cells)
    assert len(rows) == len(cells)
    assert len({cell_len(row) for row in rows}) == 1


# Numbers.


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"), (True, "yes"), (False, "no"), (0.1 + 0.2, "0.3"), (1e-7, "1e-07"),
        (64, "64"), ("a\x1b[31mb", "ab"), ("x" * 500, "x" * 200), (["a", 1], "['a', 1]"),
    ],
)  # fmt: skip
def test_a_value_of_unknown_kind_is_shown(value, said):
    assert figure(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"), (float("nan"), "-"), (float("inf"), "-"), (-3, "0 s"), (0, "0 s"),
        (59.9, "59 s"), (60, "1m00"), (461, "7m41"), (3600, "1h00"), (4320, "1h12"),
        (86399, "23h59"), (86400, "1d00h"), (183600, "2d03h"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_a_person_says_it(seconds, said):
    assert duration(seconds) == said


@given(st.floats(0, 1e9))
def test_a_duration_never_needs_more_than_eight_cells(seconds):
    assert re.fullmatch(r"\d+ s|\d+m\d\d|\d+h\d\d|\d+d\d\dh", duration(seconds))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"), (float("nan"), "-"), (0.046, ".046"), (-0.046, "-.046"), (0.0, ".000"),
        (-0.0001, ".000"), (1.0, "1.000"), (-1.25, "-1.250"),
    ],
)  # fmt: skip
def test_a_correlation_needs_five_cells(value, said):
    assert ratio(value) == said


def test_missing_numbers_are_a_dash_on_the_right():
    assert fixed(None, 1, 5) == "    -"
    assert fixed(float("inf"), 0) == "-"
    assert size(None) == "-"


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**50, "1024.0 TiB")]
)
def test_bytes_have_binary_units(count, said):
    assert size(count) == said


def test_a_path_below_the_current_directory_is_short(home):
    assert shown_path(home / "output" / "dry") == "output/dry"
    assert shown_path(home.parent) == str(home.parent)
    assert shown_path(home / "a\x1b[31mb") == "ab"


def test_a_clock_is_a_time_of_day():
    now = time.time()
    assert clock(now) == time.strftime("%H:%M:%S", time.localtime(now))
