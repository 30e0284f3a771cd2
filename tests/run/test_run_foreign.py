"""What comes from outside is made harmless, and nothing of it is hidden."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft_core.run.foreign import clean

SEQUENCES = [
    "\x1b[31m", "\x1b[2J", "\x1b[1;1H", "\x1b[?1049l", "\x1b]0;title\x07", "\x1b]0;title\x1b\\",
    "\x1b]52;c;aGk=\x07", "\x1b]8;;http://x\x1b\\", "\x1bP1$r\x1b\\", "\x1b_G\x1b\\", "\x9b31m",
    "\x9d0;title\x9c", "\x1bc", "\x1b", "\x00", "\r", "\n", "\b", "\x7f", "\x85", "\u2028",
    "\u202e", "\u202d", "\u2066", "\u2069", "\u200f", "\u200b", "\ufeff", "\ud800", "\U000e0041",
]  # fmt: skip
PIECES = [*SEQUENCES, "\x9b", "\x90", "\x1b[", "\x1b]", "m", "\x07"]
hostile = st.lists(st.one_of(st.text(), st.sampled_from(PIECES)), max_size=12).map("".join)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(hostile)
def test_nothing_that_a_terminal_would_obey_survives(text):
    kept = clean(text)
    assert kept.isprintable()
    for char in kept:
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(char) not in BIDI
    kept.encode()


@given(hostile)
def test_cleaning_twice_changes_nothing(text):
    assert clean(clean(text)) == clean(text)


@given(hostile, st.integers(0, 40))
def test_a_cleaned_text_is_bounded(text, limit):
    assert len(clean(text, limit)) <= 4 * limit, "a tab becomes four spaces, nothing else grows"


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=200))
def test_ordinary_text_is_kept_as_it_is(text):
    assert clean(text) == text


@pytest.mark.parametrize("sequence", SEQUENCES, ids=repr)
def test_a_sequence_vanishes_or_becomes_visible(sequence):
    kept = clean(f"before{sequence}after")
    assert kept.startswith("before")
    assert kept.endswith("after")
    assert "\x1b" not in kept
    assert "aGk=" not in kept
    assert "title" not in kept
    assert "http" not in kept


def test_an_unfinished_sequence_hides_nothing():
    assert clean("a\x1b]0;the rest of the line") == "a·]0;the rest of the line"


def test_half_a_sequence_inside_another_does_not_become_a_whole_one():
    assert "\x1b" not in clean("\x1b\x1b[31m[2J")
    assert "\x1b" not in clean("\x1b\x1b]0;x\x07]52;c;eA==\x07")


def test_a_tower_of_combining_marks_is_cut_down():
    assert clean("a" + "\u0301" * 50) == "a\u0301\u0301"


def test_cleaning_a_huge_line_is_linear():
    for text in ("\x1b[" * 500_000, "\x1b]" * 500_000, "\x1b]0;" + "a" * 1_000_000):
        assert len(clean(text)) <= 2000
        clean(text, limit=100_000)
