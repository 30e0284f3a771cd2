"""What the run directory says, the panes say, at every size."""

import tui_run
from tui_console import MIDDLE, SMALL, WIDE, console, every_size

from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.judge.checklist import bar, value
from atft_core.run.judge.criteria import check
from atft_core.run.lock import EngineLock
from atft_core.run.state import State
from atft_core.run.status import load


@every_size
async def test_without_a_run_the_console_says_where_to_begin(book, size):
    async with console(book, size=size) as shown:
        header, strip = shown.drawn("stages")
        assert "runbook tested" in header
        assert "no run yet" in header
        assert "d dry run  .. ready" in strip
        assert "s short sweep  -- needs dry run" in strip
        assert "f full sweep  -- " in strip
        assert "press d for the dry run" in shown.text
        assert "no run yet: press d" in shown.said("trials")
        assert all(
            result.title in shown.said("checklist") for result in check(State(), book.stages[0])
        )
        assert "cpu" in shown.said("gpu")
        assert "not evidence" in shown.said("gpu")
        if size != SMALL:
            assert "no epoch has ended yet" in shown.text
            assert "no log yet" in shown.text


@every_size
async def test_a_finished_dry_run_is_shown_with_its_evidence(book, finished, size):
    async with console(book, size=size) as shown:
        header, strip = shown.drawn("stages")
        assert "rsr_nasdaq 1026x1274" in header
        assert "output/dry" in header
        assert "FINISHED" in header
        assert "d dry run  ok 9/9" in strip
        assert "s short sweep  .. ready" in strip
        assert "ok 9" in shown.said("checklist")
        (trial,) = rows_of(shown)
        assert trial.split()[:6] == ["0", "ok", "done", "2", ".023", ".011"]
        if size != SMALL:
            assert "p50 94" in shown.said("gpu")
            assert "val RankIC, horizon 1" in shown.text
            assert "Trial 0 COMPLETE value 0.021" in shown.said("log")


@every_size
async def test_a_live_sweep_is_shown_as_it_runs(book, live, size):
    async with console(book, size=size) as shown:
        header, strip = shown.drawn("stages")
        assert "output/short" in header
        assert "RUNNING" in header
        assert "left 3m" in header + strip
        assert "d dry run  ok 9/9" in strip
        assert "4/5" in strip
        assert "7/10" in strip
        assert "compute-bound" in shown.text
        assert "GPU busy 94 %" in shown.text
        numbers = [row.split()[0] for row in rows_of(shown)]
        assert numbers == ["3", "1", "0", "2"], "what runs, the best, the rest, the pruned"
        if size != SMALL:
            assert "train loss" in shown.text
            assert "Epoch 7/10 trial 3" in shown.said("log")
            assert "follows" in shown.said("log")


def rows_of(shown):
    """The rows of the trial table as they are drawn, without frame and cursor."""
    states = (" runs ", " done ", " pruned ")
    drawn = [line.strip("│").replace(">", " ", 1) if line.startswith("│>") else line.strip("│")
             for line in shown.drawn("trials")]  # fmt: skip
    return [line for line in drawn if any(state in line for state in states)]


@every_size
async def test_nothing_essential_is_cut(book, live, size):
    state = load(live)
    async with console(book, size=size) as shown:
        for line in [*shown.drawn("stages"), *shown.drawn("footer")]:
            assert "…" not in line
        trials = "\n".join(shown.drawn("trials"))
        assert "…" not in trials
        for number, row in zip((3, 1, 0, 2), rows_of(shown), strict=True):
            said = {3: ">> runs", 2: "-- pruned"}.get(number, "ok done")
            rank_ic = f"{state.trials[number].last('rank_ic', 1):.3f}".lstrip("0")
            assert said in row
            assert f" {rank_ic} " in f"{row} "
        checklist = shown.drawn("checklist")
        for result in check(state, book.stage("short")):
            (row,) = [line for line in checklist if result.title[:14] in line]
            assert f" {value(result)} " in row
            number = bar(result, "minimum").removesuffix(" %").removesuffix(" s")
            rest = row.split(value(result), 1)[1]
            assert "".join(number.split()) in "".join(rest.split())


@every_size
async def test_every_key_of_the_footer_fits(book, live, size):
    async with console(book, size=size) as shown:
        (footer,) = shown.drawn("footer")
        for pair in ("d dry", "s short", "f full", "x stop", "enter look", "/ filter", "1-6 zoom",
                     "? help", "q leave"):  # fmt: skip
            assert pair in footer


async def test_the_newest_alert_stands_beside_the_verdict(book, live):
    with Journal(live.events) as journal:
        journal.append(ev.Alert(level="warning", text="the disk is nearly full"))
    async with console(book, size=WIDE) as shown:
        assert "the disk is nearly full" in shown.text


async def test_a_run_that_died_is_said_to_have_died(book):
    tui_run.sweep(book)
    async with console(book, size=MIDDLE) as shown:
        assert "DIED" in shown.drawn("stages")[0]
        assert "XX died after 3 of 5 trials" in shown.drawn("stages")[1]
        assert "DIED" in shown.said("verdict")
        assert "atft resume" in shown.said("verdict")


async def test_events_that_are_appended_appear(book, live):
    async with console(book, size=WIDE) as shown:
        tui_run.add_epoch(live, 3, 8)
        await shown.shows("epoch 8/10")
        await shown.shows("Epoch 8/10 trial 3")
        tui_run.end_trial(live, 3, "COMPLETE", 0.052)
        await shown.until(lambda: "running, between trials" in shown.text)
        assert "ok done" in rows_of(shown)[0]


async def test_a_run_that_starts_elsewhere_is_found(book, finished):
    async with console(book, size=WIDE) as shown:
        assert "output/dry" in shown.drawn("stages")[0]
        run = tui_run.sweep(book)
        lock = EngineLock(run.lock)
        await shown.shows("output/short")
        lock.release()


async def test_a_run_that_is_named_is_shown_whatever_else_there_is(book, finished, live):
    async with console(book, finished.path, size=WIDE) as shown:
        assert "output/dry" in shown.drawn("stages")[0]


async def test_an_ad_hoc_run_has_no_checklist_and_says_so(book, home):
    run = create(home / "mine")
    write_json(run.run_json, {"schema": 1})
    with Journal(run.events) as journal:
        journal.append(ev.RunStarted(run="mine", study_name="mine", n_trials=1, max_epochs=2))
    async with console(book, run.path, size=WIDE) as shown:
        assert "an ad hoc run: no criteria" in shown.text
        assert " mine " in shown.drawn("stages")[0]


async def test_what_has_happened_since_is_told_once(book, live):
    async with console(book, size=WIDE):
        pass  # leaving remembers what was seen
    tui_run.end_trial(live, 3, "COMPLETE", 0.052)
    async with console(book, size=WIDE) as shown:
        await shown.shows("since you left")
        assert "trial 3 ended; best .046 -> .052" in shown.text
        await shown.press("up")
        assert "since you left" not in shown.text
    async with console(book, size=WIDE) as shown:
        assert "since you left" not in shown.text


async def test_resizing_changes_the_layout_and_keeps_the_content(book, live):
    async with console(book, size=WIDE) as shown:
        for size in (SMALL, MIDDLE, (79, 23), WIDE):
            await shown.pilot.resize_terminal(*size)
            await shown.pilot.pause()
            assert len(shown.lines) == size[1]
            assert ("4/5" in shown.text) is (size != (79, 23))
            assert ("Log" in shown.text) is (size in (WIDE, MIDDLE))
