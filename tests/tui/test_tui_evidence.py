"""The evidence of a criterion: events, plot with its bars, days, formula, remedies."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import tui_run
from test_tui_checklist import failed_dry_run
from test_tui_hostile import HOSTILE, assert_harmless
from tui_console import SMALL, WIDE, console, every_size

from atft_core.run import events as ev
from atft_core.run.epochs import EpochRow
from atft_core.run.journal import Journal, read_events
from atft_core.run.judge.criteria import check
from atft_core.run.judge.traces import LISTED
from atft_core.run.lock import EngineLock
from atft_core.run.status import load
from atft_core.train.results import split_column
from atft_core.train.tables import write_table


async def opened(shown, name):
    """The evidence of a criterion, with all that a thread works out."""
    shown.pane("checklist").focus()
    shown.pane("checklist").cursor = name
    await shown.press("enter")
    await shown.on("EvidenceScreen")
    await worked_out(shown)


async def worked_out(shown):
    await shown.until(lambda: shown.pane("plot").trace is not None)


@every_size
async def test_the_facts_have_value_interval_bars_and_margin(book, live, size):
    async with console(book, size=size) as shown:
        await opened(shown, "val_rank_ic")
        facts = " ".join(shown.said("evidence").split())
        for said in (
            ".. PENDING val RankIC, horizon 1", "value .046 +-.011, 90 % interval .028 to .064",
            "minimum > 0 (decides)", "goal > .040, reached",
            "margin +.046, +4.2 standard errors", "samples 252, trial 1, epoch 10",
            "missing waits for the end of 2 more trials",
            "means Mean over the validation days of the rank correlation",
        ):  # fmt: skip
            assert said in facts
        drawn = "\n".join(shown.drawn("evidence"))
        assert "margin" in drawn
        assert "missing" in drawn


@every_size
async def test_the_plot_has_the_bars_as_levels(book, live, size):
    async with console(book, size=size) as shown:
        await opened(shown, "val_rank_ic")
        plot = shown.drawn("plot")
        assert "val RankIC by trial" in plot[0]
        assert any(line.rstrip("│ ").endswith("goal") for line in plot)
        assert any(line.rstrip("│ ").endswith("min") for line in plot)
        assert any(ord("\u2800") < ord(char) <= ord("\u28ff") for line in plot for char in line)


async def test_the_events_are_those_of_the_log(book, live):
    logged = {stamped.seq: stamped.event for stamped in read_events(live.events)}
    async with console(book, size=WIDE) as shown:
        await opened(shown, "val_rank_ic")
        pane = shown.pane("events")
        assert "Events of val RankIC: epoch" in shown.said("events")
        assert "31, newest first; * decides" in shown.said("events")
        for point in pane.trace.points:
            event = logged[point.seq]
            assert isinstance(event, ev.Epoch)
            assert (event.trial, event.epoch) == (point.trial, point.epoch)
        (decisive,) = [line for line in shown.said("events").splitlines() if line.endswith(" *")]
        assert decisive.split()[2:] == ["1", "10", ".046", "*"]
        pane.focus()
        await shown.press("enter")
        assert shown.screen == "TrialScreen"
        assert "Trial 3" in shown.text


async def test_in_a_small_terminal_the_events_are_one_key_away(book, live):
    async with console(book, size=SMALL) as shown:
        await opened(shown, "val_rank_ic")
        assert "Events of val RankIC: epoch" not in shown.text
        await shown.press("e")
        assert "Events of val RankIC: epoch" in shown.text
        await shown.press("p")
        assert "val RankIC by trial" in shown.text
        assert "Events of val RankIC: epoch" not in shown.text
        await shown.press("escape")
        assert "margin" in shown.text


async def test_what_workers_saw_is_counted_in_words(book, live):
    async with console(book, size=WIDE) as shown:
        await opened(shown, "feed")
        said = " ".join(shown.said("plot").split())
        assert "wanted by day resident 4 workers" in said
        assert "settings" in shown.said("events")


@every_size
async def test_without_a_run_the_evidence_says_what_is_missing(book, size):
    async with console(book, size=size) as shown:
        await opened(shown, "val_rank_ic")
        assert "nothing measured yet" in shown.text
        assert "waits for the end of a complete trial" in shown.said("evidence")
        await shown.press("e")
        assert "no such event yet" in shown.text
        await shown.press("1")
        assert shown.notices() == ["this criterion has not failed"]


async def test_left_and_right_bring_the_evidence_of_the_neighbours(book, live):
    async with console(book, size=WIDE) as shown:
        await opened(shown, "val_rank_ic")
        await shown.press("right")
        await worked_out(shown)
        assert "RankIC lower 90 % by trial" in shown.said("plot")
        assert "RankIC lower 90 %, horizon 1" in shown.said("evidence")


async def test_new_epochs_reach_an_open_evidence(book, live):
    async with console(book, size=WIDE) as shown:
        await opened(shown, "val_rank_ic")
        tui_run.add_epoch(live, 3, 8)
        await shown.until(lambda: shown.pane("events").trace.total == 32)
        assert "32, newest first" in shown.said("events")


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, WIDE], ids=str)
async def test_d_lists_the_days_and_the_events_again(book, live, size):
    days = np.arange(np.datetime64("2016-02-01"), np.datetime64("2016-03-01"))
    table = pa.table({
        "split": split_column("val", len(days)), "date": pa.array(days),
        "horizon": np.full(len(days), 1, np.int32), "rank_ic": np.linspace(-0.1, 0.2, len(days)),
    })  # fmt: skip
    write_table(live.trial(1).daily_ic, table)
    async with console(book, size=size) as shown:
        await opened(shown, "val_rank_ic")
        await shown.press("d")
        await shown.shows("2016-02-29", seconds=60)
        assert "mean 0.0500   above 0 on 19 of 29 days" in shown.said("events")
        assert "2016-02-29    0.2000" in shown.said("events")
        await shown.press("d")
        assert "Events of val RankIC: epoch" in shown.text
        await shown.press("right", "right", "right", "right", "right", "d")
        assert "Days of sign ratio" in shown.text
        await shown.until(lambda: "no values by day" in shown.said("events"), seconds=60)


# Remedies.


@every_size
async def test_each_remedy_has_a_number_and_its_key_opens_the_start(book, size):
    run = failed_dry_run(book)
    async with console(book, run.path, size=size) as shown:
        await opened(shown, "val_rank_ic")
        drawn = "\n".join(shown.drawn("evidence"))
        assert "1 5 epochs  train.max_epochs=5" in drawn
        assert "2 Spearman weight 0.1  loss.spearman=0.1" in drawn
        assert "1-9 remedy" in shown.drawn("footer")[0]
        await shown.press("2")
        assert shown.screen == "ConfirmScreen"
        assert shown.app.screen.query_one("#settings").value == "loss.spearman=0.1"
        await shown.press("escape")
        await shown.press("9")
        assert shown.notices() == ["there is no remedy of that number"]


async def test_a_criterion_that_has_not_failed_offers_no_remedy(book):
    run = failed_dry_run(book)
    async with console(book, run.path, size=SMALL) as shown:
        await opened(shown, "epoch_seconds")
        assert "remedy" not in shown.drawn("footer")[0]
        await shown.press("1")
        assert shown.screen == "EvidenceScreen"
        assert shown.notices() == ["this criterion has not failed"]


# Many, and hostile.


async def test_of_very_many_trials_the_newest_are_listed(book, live):
    state = load(live)
    for number in range(4, 3000):
        trial = state.trial(number)
        trial.state, trial.value = "COMPLETE", 0.01
        trial.epochs = [
            EpochRow(1, 1.0, 2.0, 9, 9, {}, {}, {"1": {"rank_ic": 0.01, "days": 250}}, None, {},
                     1000 + number)
        ]  # fmt: skip
    async with console(book, size=WIDE) as shown:
        await opened(shown, "val_rank_ic")
        results = tuple(check(state, book.stage("short")))
        crowded = replace(shown.app.view, state=state, results=results)
        found = shown.app.screen.work_out(crowded)
        shown.app.screen.found(found)
        shown.app.screen.query_one("#events").draw()
        shown.app.screen.query_one("#plot").draw()
        assert f"{LISTED + 1} of 3027, newest first" in shown.said("events")
        assert " 1 " in shown.said("events").splitlines()[-1], "the one that decides, too"
        assert "by trial" in shown.said("plot")


@pytest.mark.parametrize("text", [HOSTILE["escape"], HOSTILE["markup"], HOSTILE["wide"]])
async def test_what_a_hostile_worker_saw_is_drawn_as_text(book, text):
    run = tui_run.new_run(book, book.stage("dry"))
    with Journal(run.events) as journal:
        journal.append(ev.TrialAsked(trial=0))
        journal.append(ev.WorkerStarted(trial=0, pid=1))
        journal.append(ev.Settings(trial=0, worker_seq=1, values={"feed": text}))
    lock = EngineLock(run.lock)
    async with console(book, run.path, size=WIDE) as shown:
        await opened(shown, "feed")
        assert_harmless(shown)
        await shown.press("e")
        assert_harmless(shown)
    lock.release()
