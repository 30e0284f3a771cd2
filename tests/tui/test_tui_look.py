"""What a person sees: nothing is cut without a sign, one thing has one name, a unit its number."""

import asyncio
import re
import time
from dataclasses import replace

import pytest
import tui_run
from tui_console import MIDDLE, SMALL, WIDE, console

from atft_core.run.judge.checklist import margin
from atft_core.run.state import WATCHED, State, Trial
from atft_core.run.status import load, read_status
from atft_tui.commands import Outcome
from atft_tui.format import TIED, wrapped
from atft_tui.machine_now import Machine, Process
from atft_tui.panes.gpu import compact, full
from atft_tui.panes.terms import TermsPane
from atft_tui.panes.verdict import conclusion
from atft_tui.plan import plan_rows
from atft_tui.trial_table import columns
from atft_tui.view import TrialView, View, seconds_left


@pytest.fixture
def view(book, live):
    return View(time.time(), book, run=live, state=load(live), status=read_status(live)[1])


def test_a_number_keeps_its_unit_where_a_line_breaks():
    assert wrapped("90 % of the epoch computes, wait 0.2 % of it", 36) == [
        "90 % of the epoch computes, wait",
        "0.2 % of it",
    ]
    assert wrapped("about 20 words of text and 12 so many", 25)[0] == "about 20 words of text"
    assert (
        wrapped(f"a panel of some years {'120 stocks'.replace(' ', TIED)}", 26)[1] == "120 stocks"
    )


def test_lines_that_have_no_room_are_announced():
    text = "one two three four five six seven eight nine ten"
    assert wrapped(text, 20, 2)[-1].endswith("…")
    assert "".join(wrapped(text, 20, 9)).count("…") == 0


def test_the_word_on_luck_says_that_it_goes_on():
    state = State(significance={"said": "t 8.1 on 84 days; " * 12})
    whole = conclusion(state, 50, 99)
    assert len(whole) > 3
    assert "…" not in whole[-1].plain
    assert [len(conclusion(state, 50, room)) for room in (0, 1, 2)] == [0, 1, 2]
    assert conclusion(state, 50, 2)[-1].plain.endswith("…")


def test_without_a_card_both_sizes_say_the_same(view):
    bare = Machine(of_run=True, cores=8, mem_total=2**37, reason="no NVML")
    assert compact(bare, 80, wanted=True).plain.startswith(" no GPU  cpu ")
    assert full(bare, view, 80, 4)[0].plain.startswith(" no GPU can be read here")


def test_the_memory_of_a_process_has_its_unit_in_a_narrow_column(view):
    some = tuple(
        Process(i, name, 100.0, 2**29, 1) for i, name in enumerate(("engine", "preflight"))
    )
    said = [content.plain for content in full(Machine(cores=2, processes=some), view, 55, 4)]
    assert said[-1].count("0.5 GiB") == 2


def test_the_plan_keeps_the_shape_of_the_panel_together():
    data = {"path": "/data/research/panel.parquet", "rows": 61_119, "stocks": 120, "days": 520,
            "first": "2019-01-02", "last": "2020-12-29"}  # fmt: skip
    for width in range(60, 120):
        lines = [content.plain for content in plan_rows({"data": data}, width, resume=False)]
        for whole in ("61,119 rows", "120 stocks x 520 days", "2019-01-02 .. 2020-12-29"):
            assert any(whole in text for text in lines)


def test_what_is_left_is_never_nothing_while_a_trial_runs():
    state = State(n_trials=3, max_epochs=4, started=1000.0, estimate={"sweep_seconds": 24.0})
    assert seconds_left(state, 1055.0) == 24.0  # before the first trial no time of it has passed
    state = replace(state, trials={0: Trial(0, state="RUNNING", started=1056.0)})
    assert seconds_left(state, 1060.0) == 20.0
    assert seconds_left(state, 1090.0) is None
    theirs = {"code": f"writer 1, {WATCHED}"}
    assert seconds_left(replace(state, identity=theirs), 1060.0) is None, "nobody has planned it"


async def test_hidden_columns_are_counted(book, live):
    async with console(book, live.path, size=MIDDLE) as shown:
        title = shown.said("trials").splitlines()[0]
        some, every = map(int, re.search(r"  (\d+) of (\d+) columns", title).groups())
        assert some < every
        assert shown.pane("trials").text.splitlines()[0].split()[-1] in ("IC", "+-")
    async with console(book, live.path, size=(300, 50)) as shown:
        await shown.press("3")
        await shown.until(lambda: "columns" not in shown.said("trials").splitlines()[0])


async def test_a_comparison_says_each_difference_once(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        await shown.press("space", "space", "c")
        await shown.on("CompareScreen")
        text = shown.pane("facts").text
        names = [line.split()[0] for line in text.partition("what differs")[2].splitlines()[1:]]
        last = [name.rpartition(".")[2] for name in names]
        assert names and len(set(last)) == len(last)
        assert "pid" not in names
        assert ">> runs" in text and "ok done" in text


async def test_columns_are_boxes_and_not_verdicts(book, live):
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("v")
        await shown.on("ColumnsScreen")
        assert "[x]" in shown.pane("evidence").text
        assert " ok " not in shown.pane("evidence").text
        await shown.press("enter")
        assert "[ ]" in shown.pane("evidence").text


async def test_a_margin_that_is_too_good_is_a_warning_and_one_below_the_bar_an_error(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        pane = shown.pane("checklist")
        results = {result.name: result for result in shown.app.view.results}
        assert "leak?" not in pane.text
        alarmed = replace(results["sign_ratio"], alarm=True, note="above 0.05: check for a leak")
        pane.show(replace(shown.app.view, results=(alarmed,)))
        styles = {str(span.style) for row in pane._rows for span in row.content.spans}
        assert margin(alarmed) in pane.text
        assert "$text-warning" in styles
        assert "$text-error" not in styles


async def test_a_plan_that_nobody_waits_for_is_not_waited_for(book, live, monkeypatch):
    async def slow(*words, looks=False):
        await asyncio.sleep(3600)
        return Outcome(0, "", "", 0.0)

    async with console(book, live.path, size=WIDE) as shown:
        monkeypatch.setattr("atft_tui.commands.run", slow)
        await shown.press("d")
        await shown.on("ConfirmScreen")
        await shown.press("escape")
        await shown.shows("--plan  not waited for")


async def test_a_picture_has_no_ligatures_and_the_palette_no_emoji(book, live):
    async with console(book, live.path, size=SMALL) as shown:
        assert "font-variant-ligatures: none" in shown.app.export_screenshot()
        await shown.press("ctrl+p")
        await shown.until(lambda: "Search for commands" in shown.text)
        assert "\N{RIGHT-POINTING MAGNIFYING GLASS}" not in shown.text


async def test_before_the_first_epoch_no_curve_is_counted(book, home):
    run = tui_run.new_run(book, book.stage("short"))
    tui_run.begin_trial(run, 0)
    async with console(book, run.path, size=WIDE) as shown:
        await shown.shows("no epoch has ended yet")
        assert "best and newest" not in shown.text


def test_no_column_of_the_loss_is_cut(view):
    of_trial = replace(view, about=TrialView(3))
    for width in range(34, 80):
        shown = TermsPane().rows(of_trial, width, 12)
        assert all(row.content.cell_length <= width for row in shown)
        assert shown[0].content.plain.split()[-1] in ("pull", "all", "moved")


def test_a_small_learning_rate_moves_no_column():
    rates = (1e-3, 8.7e-4, 1.25e-5, 0.5)
    trials = {
        n: Trial(n, state="COMPLETE", params={"train.learning_rate": rate, "model.hidden": 32})
        for n, rate in enumerate(rates)
    }
    for column in columns(State(trials=trials)):
        assert all(len(column.cell(trial)) <= column.width for trial in trials.values())


async def test_the_run_itself_is_not_offered_as_the_one_before(book, live, monkeypatch):
    monkeypatch.chdir(live.path.parents[1])
    assert live.path.is_absolute()
    relative = live.path.relative_to(live.path.parents[1])
    async with console(book, relative, size=WIDE) as shown:
        await shown.press("b")
        await shown.shows("Which run was before")
        await shown.until(lambda: "1 run" in shown.said("runs"))
        assert "/short" not in shown.pane("runs").text


def test_load_and_memory_stand_at_the_right_edge(view):
    look = Machine(cores=2, mem_used=2**30, mem_total=2**34, history=(50.0,) * 90)
    for width in (60, 100, 160):
        (said,) = (c.plain for c in full(look, view, width, 4) if c.plain.startswith(" cpu"))
        assert len(said) == width - 1
        assert said.endswith("16.0 GiB")
