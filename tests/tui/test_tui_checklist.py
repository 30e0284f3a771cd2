"""The checklist pane: what decides is in sight at every size, and so is what the gate needs."""

from dataclasses import replace

import pytest
import tui_run
from tui_console import SMALL, WIDE, console, every_size

from atft_core.run.journal import Journal, read_events
from atft_core.run.judge.checklist import margin
from atft_core.run.judge.criteria import check
from atft_core.run.lock import EngineLock
from atft_core.run.status import load


def failed_dry_run(book, **changes):
    """A dry run without GPU samples whose RankIC is far below the bar."""
    run = tui_run.new_run(book, replace(book.stage("dry"), **changes))
    tui_run.begin_trial(run, 0)
    for epoch in (1, 2):
        tui_run.add_epoch(run, 0, epoch, best=-0.08, gpu=False)
    tui_run.end_trial(run, 0, "COMPLETE", -0.03)
    tui_run.end_run(run)
    return run


def row(shown, title):
    """The line of a criterion as it is drawn."""
    return next(line for line in shown.drawn("checklist") if title in line)


@every_size
async def test_value_bar_and_margin_of_every_row_are_drawn(book, live, size):
    state = load(live)
    async with console(book, size=size) as shown:
        for result in check(state, book.stage("short")):
            said = margin(result).removesuffix(" %").removesuffix(" s").partition(".")[0]
            assert said in row(shown, result.title[:14]), result.title


async def test_a_wide_pane_has_both_bars_the_margin_in_errors_the_error_and_the_samples(book, live):
    async with console(book, size=WIDE) as shown:
        heads = " ".join(row(shown, "infrastructure").split())
        assert "infrastructure minimum goal margin in se error n" in heads
        said = " ".join(row(shown, "val RankIC").split())
        assert ".046 > 0 > .040 +.046 +4.2 +-.011 252 waits for the end of" in said


async def test_heads_stand_over_their_columns(book, live):
    async with console(book, size=WIDE) as shown:
        head, line = row(shown, "infrastructure"), row(shown, "val RankIC")
        for name, cell in (("margin", "+.046"), ("in se", "+4.2"), ("error", "+-.011")):
            assert head.index(name) + len(name) == line.index(cell) + len(cell)


@every_size
async def test_what_is_too_good_is_never_shown_as_a_margin_alone(book, size):
    run = tui_run.new_run(book, book.stage("short"))
    for number in range(3):
        tui_run.begin_trial(run, number)
        tui_run.add_epoch(run, number, 9, best=0.3)
        tui_run.end_trial(run, number, "COMPLETE", 0.3)
    async with console(book, run.path, size=size) as shown:
        said = row(shown, "sign ratio")
        assert ("leak?" in said) != ("above 0.05: check for a " in said)
        assert "…" not in said or size == WIDE


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=str)
async def test_a_failed_run_says_what_the_next_stage_needs_and_why_a_row_is_unknown(book, size):
    run = failed_dry_run(book)
    async with console(book, run.path, size=size) as shown:
        assert "short sweep: 2 open rows" in shown.drawn("checklist")[-1]
        assert "XX val RankIC" in row(shown, "val RankIC")
        assert "-.027" in row(shown, "val RankIC")
        if size == SMALL:
            await shown.press("4")
        assert "never came: an epoch with GPU samples" in row(shown, "GPU utilisation")


@every_size
async def test_before_any_run_every_row_says_what_it_waits_for(book, size):
    async with console(book, size=size) as shown:
        assert "short sweep: 9 open rows" in shown.drawn("checklist")[-1]
        await shown.press("4")
        assert "waits for an epoch with GPU samples" in row(shown, "GPU utilisation")
        assert "waits for settings of a worker" in row(shown, "data feed")


async def test_a_run_that_passed_leaves_nothing_open(book, finished):
    async with console(book, finished.path, size=SMALL) as shown:
        assert "short sweep: no open row" in shown.drawn("checklist")[-1]


async def test_an_ad_hoc_run_speaks_of_no_gate(book):
    run = tui_run.new_run(book, replace(book.stage("dry"), key=""))
    events = run.events.read_text().replace('"stage_spec":{', '"stage_spec":{},"was":{')
    run.events.write_text(events)
    async with console(book, run.path, size=SMALL) as shown:
        assert "an ad hoc run: no criteria" in shown.said("checklist")
        assert "sweep" not in "".join(shown.pane("checklist")._captions)


# Overrides.


def overridden(book, reason):
    """A dry run that was started although its gate was closed."""
    run = failed_dry_run(book)
    first, *others = list(read_events(run.events))
    run.events.unlink()
    with Journal(run.events) as journal:
        journal.append(replace(first.event, override=reason))
        for stamped in others:
            journal.append(stamped.event)
    return run


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=str)
async def test_the_reason_of_an_override_is_shown_ever_after(book, size):
    run = overridden(book, "vendor late")
    async with console(book, run.path, size=size) as shown:
        assert "dry run, overridden: vendor late" in shown.drawn("checklist")[0]
        shown.pane("checklist").focus()
        await shown.press("enter")
        await shown.press("G")
        assert "vendor late" in shown.said("evidence")


async def test_a_long_or_hostile_reason_does_not_break_the_frame(book):
    run = overridden(book, "\x1b]52;c;b3duZWQ=\x07[red]x[/] 研究 " * 40)
    async with console(book, run.path, size=SMALL) as shown:
        top = shown.drawn("checklist")[0]
        assert top.startswith("╭─ 4 dry run, overridden: [red]x[/]")
        assert "52;c" not in shown.text
        strips = shown.app.screen._compositor.render_strips()
        assert {strip.cell_length for strip in strips} == {80}


async def test_o_asks_for_the_reason_to_start_the_next_stage(book):
    run = failed_dry_run(book)
    async with console(book, run.path, size=SMALL) as shown:
        shown.pane("checklist").focus()
        await shown.press("o")
        assert shown.screen == "ConfirmScreen"
        assert "Start: short sweep" in shown.said("plan")


async def test_o_has_nothing_to_open_after_the_last_stage(book):
    run = tui_run.new_run(book, book.stage("full"))
    lock = EngineLock(run.lock)
    async with console(book, run.path, size=SMALL) as shown:
        shown.pane("checklist").focus()
        await shown.press("o")
        assert shown.notices() == ["no stage comes after this one"]
    lock.release()
