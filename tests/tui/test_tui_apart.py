"""Paths that end alike are told apart in few cells."""

import shutil

import pytest
from test_tui_contrast import beside
from test_tui_runs import listed, made, rows
from tui_console import SMALL, console

from atft_core.run.directory import RunDirectory
from atft_tui.apart import cut_apart, shared_ends

DEEP = "a/rather/long/way/to/the/output/trial_0"
TWINS = [f"/data/momentum_2024/{DEEP}", f"/data/reversal_2024/{DEEP}", "/data/else"]


def shown(paths, width):
    ends = shared_ends(paths)
    return [cut_apart(path, width, ends[path]) for path in paths]


@pytest.mark.parametrize("width", [12, 16, 20, 25, 48])
def test_twins_show_what_differs_and_their_name(width):
    first, second, other = shown(TWINS, width)
    assert first != second
    assert all(len(text) <= width for text in (first, second))
    assert all(text.endswith("rial_0"[-(width // 2 - 1) :]) for text in (first, second))
    assert "2024" in first or first.startswith("mo")
    assert "2024" in second or second.startswith("re")
    assert other == "/data/else"


def test_where_the_end_differs_nothing_is_left_out_of_the_middle():
    assert shown(["/data/a/very/long/way/first", "/data/a/very/long/way/second"], 20) == [
        "…very/long/way/first", "…ery/long/way/second",
    ]  # fmt: skip
    assert shown(["output/x", "/else/output/x"], 20) == ["output/x", "/else/output/x"]
    assert shown([TWINS[0]], 10) == ["…t/trial_0"]
    assert shown(["/same", "/same"], 20) == ["/same", "/same"]


def test_each_is_told_from_its_nearest_twin():
    paths = [f"/{one}/{DEEP}/{two}/x" for one in "ab" for two in ("p", "q")]
    assert len(set(shown(paths, 12))) == 4


def test_a_thousand_twins_are_all_told_apart():
    assert len(set(shown([f"/data/experiment_{n}/{DEEP}" for n in range(1000)], 30))) == 1000


@pytest.fixture
def twins(book, finished, home):
    """The dry run and its copy, both deep below, by other names there."""
    for name in ("momentum_2024", "reversal_2024"):
        place = home / name / DEEP
        place.parent.mkdir(parents=True)
        shutil.copytree(finished.path, place)
        made(RunDirectory(place), 1.0)
    shutil.rmtree(finished.path)
    return [RunDirectory(home / name / DEEP) for name in ("momentum_2024", "reversal_2024")]


async def test_the_list_and_the_comparison_tell_twins_apart(book, twins):
    from atft_tui import places

    for run in twins:
        places.remember(run.path)
    async with console(book, twins[0].path, size=SMALL) as shown_:
        await listed(shown_, 2)
        found = rows(shown_)
        assert all(row.rstrip().endswith("/trial_0") for row in found)
        assert sorted(row.split("KiB")[1].strip()[:5] for row in found) == ["momen", "rever"]
        await shown_.press("escape")
        await beside(shown_, f"reversal_2024/{DEEP}")
        title = shown_.drawn("evidence")[0]
        assert "Before: revers…_2024…put/trial_0  after: moment…_2024…put/trial_0" in title
