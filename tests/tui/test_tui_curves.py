"""Curves: every metric by epoch, values with their errors, and nothing drawn twice."""

import math

import pytest
import tui_run
from test_tui_hostile import assert_harmless, hostile
from tui_console import MIDDLE, SMALL, WIDE, console, every_size

from atft_core.run import events as ev
from atft_core.run.epochs import EpochRow
from atft_core.run.journal import Journal
from atft_core.run.state import WATCHED, State, Trial
from atft_core.writer import Run
from atft_tui.charts.curve import Curve, Curves
from atft_tui.charts.metrics import judged_by, loss, metrics
from atft_tui.panes.curves import drawn


def rank_ic(horizon):
    return judged_by(State(horizon=horizon))


def row(epoch, value=0.04, *, error=0.01, **parts):
    found = {"rank_ic": value, "rank_ic_se": error, "ic": 0.02, "days": 250, "baseline": "ridge"}
    made = {"time": {}, "train": {"loss": 1.0 / epoch}, "val": {"1": found}, "gpu": None}
    made |= parts
    return EpochRow(
        epoch=epoch, t=float(epoch), seconds=10.0, batches=9, batches_available=9, **made
    )


def curve_of(rows, metric=None, *, log=False):
    curve = Curve(metric or rank_ic(1), log=log)
    curve.take(rows)
    return curve


# Metrics.


def test_what_decides_comes_first_and_everything_has_a_name():
    full = row(
        1,
        time={"wait": 0.1, "train_start": 1e9, "forward": 2.0},
        train={"cs_ic": 0.5, "loss": 1.0, "grad_cs_ic": 1e-3},
        gpu={"p50": 94, "p10": 90, "p90": 97},
        rates={"windows_per_s": 1e5, "learning_rate": 1e-3},
        val={h: {"rank_ic": 0.1, "rank_ic_se": 0.1, "ic": 0.1, "hit_rate": 0.5, "baseline": "x"}
             for h in ("5", "1", "20")},
    )  # fmt: skip
    found = metrics([full], horizon=5)
    assert [metric.name for metric in found] == [
        "val RankIC, horizon 5", "val RankIC, horizon 1", "val RankIC, horizon 20",
        "val IC, horizon 5", "val IC, horizon 1", "val IC, horizon 20",
        "train loss", "loss term cs_ic", "learning rate", "epoch time",
        "GPU duty p10", "GPU duty p50", "GPU duty p90", "training speed", "batches",
        "time in forward", "time in wait", "gradient of cs_ic",
        "val hit rate, horizon 5", "val hit rate, horizon 1", "val hit rate, horizon 20",
    ]  # fmt: skip
    assert [m.unit for m in found if m.name in ("epoch time", "GPU duty p50")] == ["s", "%"]
    by_name = {metric.name: metric for metric in found}
    assert by_name["learning rate"].show(1e-3) == "1.00e-03"
    assert by_name["time in wait"].read(full) == 0.1
    assert by_name["val RankIC, horizon 20"].error(full) == 0.1
    assert by_name["train loss"].error(full) is None


class Theirs(Run):
    """As a mirror of a study writes it."""

    CODE = f"{Run.CODE}, {WATCHED}"


async def test_somebody_elses_study_has_one_chart_without_a_horizon(book, tmp_path):
    study = Theirs(tmp_path / "study", epochs=3, objective="-reported")
    with study as run, run.trial(x=1) as trial:
        for epoch in (1, 2, 3):
            trial.epoch(epoch, val={"reported": 1 / epoch})
    async with console(book, run.path) as shown:
        await shown.until(lambda: "reported" in shown.said("curves"))
        said = shown.said("curves")
        assert "horizon" not in said and "train loss" not in said
        assert ".333" in shown.said("trials"), "its value, without a minus"
        assert "-.333" not in shown.said("trials")


def test_without_an_epoch_there_are_still_the_two_that_count():
    assert [metric.name for metric in metrics([], 1)] == ["val RankIC, horizon 1", "train loss"]


@pytest.mark.parametrize("value", [None, "high", True, math.nan, math.inf, {"a": 1}])
def test_what_is_no_number_is_no_value(value):
    assert rank_ic(1).read(row(1, value)) is None
    assert loss("x").read(row(1, train={"x": value})) is None


# Curves.


def test_a_curve_grows_with_its_trial_and_reads_each_epoch_once(monkeypatch):
    read = []
    metric = rank_ic(1)
    monkeypatch.setattr(type(metric), "read", lambda self, r: read.append(r.epoch) or 0.1 * r.epoch)
    rows = [row(epoch) for epoch in range(1, 6)]
    curve = Curve(metric, log=False)
    for count in (2, 2, 5):
        curve.take(list(rows[:count]))
    assert read == [1, 2, 3, 4, 5]
    assert curve.epochs == [1, 2, 3, 4, 5]
    assert curve.highest == (0.5, 5) and curve.lowest == (0.1, 1)
    assert curve.place(4) == 3 and curve.place(9) is None


def test_another_trial_of_that_number_is_read_anew():
    curve = curve_of([row(1, 0.1), row(2, 0.2)])
    curve.take([row(1, 0.5)])
    assert (curve.epochs, curve.values, curve.highest) == ([1], [0.5], (0.5, 1))


def test_an_epoch_that_is_told_late_takes_its_place():
    curve = curve_of([row(1, 0.1), row(3, 0.3)])
    curve.take([row(1, 0.1), row(2, 0.2), row(3, 0.3)])
    assert (curve.epochs, curve.values) == ([1, 2, 3], [0.1, 0.2, 0.3])


def test_logarithms_leave_out_what_has_none_and_say_so():
    curve = curve_of([row(1, 0.1), row(2, 0.0), row(3, -0.1), row(4, 0.01)], log=True)
    assert curve.left_out == 2
    assert [(xs, [round(y, 6) for y in ys]) for xs, ys in curve.line.pieces] == [
        ([1.0], [-1.0]), ([4.0], [-2.0]),
    ]  # fmt: skip
    assert curve.values == [0.1, 0.0, -0.1, 0.01], "the values themselves are all there"
    assert [xs for xs, _ in curve.low.pieces] == [[1.0]], "an error that reaches 0 has no end"


@pytest.mark.parametrize("error", [None, -0.01, math.nan, 1e301])
def test_an_error_that_is_none_draws_no_whisker(error):
    curve = curve_of([row(1, 0.1, error=error)])
    assert curve.low.pieces == curve.high.pieces == []
    assert curve.line.pieces == [([1.0], [0.1])]


def test_only_so_many_curves_are_kept():
    curves, trial = Curves(limit=3), Trial(1, epochs=[row(1)])
    first = curves.of(trial, rank_ic(1))
    assert curves.of(trial, rank_ic(1)) is first
    for horizon in (2, 3, 4):
        curves.of(trial, rank_ic(horizon))
    assert curves.of(trial, rank_ic(1)) is not first


def test_drawn_are_what_runs_the_newest_and_the_best():
    trials = {n: Trial(n, state="COMPLETE", epochs=[row(1, 0.001 * n)]) for n in range(20)}
    trials[3].state = "RUNNING"
    trials[20] = Trial(20, state="FAIL", epochs=[row(1, None)])
    trials[21] = Trial(21)
    state = State(trials=trials)
    assert [trial.number for trial in drawn(state)] == [3, 17, 18, 19, 20]
    assert [trial.number for trial in drawn(state, (7, 2, 99))] == [7, 2]


# In the console.


def title(shown):
    return shown.pane("curves")._captions[0]


async def test_keys_go_through_the_metrics_and_back(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("5")
        await shown.until(lambda: title(shown).startswith("5 val RankIC, horizon 1  metric 1 of "))
        count = int(title(shown).split(" of ")[1].split()[0])
        names = set()
        for _ in range(count):
            names.add(title(shown))
            assert_harmless(shown)
            await shown.press("m")
        assert len(names) == count
        assert title(shown).startswith("5 val RankIC, horizon 1  metric 1 of ")
        await shown.press("M")
        assert f"{count} of {count}" in title(shown)
        for wanted in ("train loss", "loss term huber", "learning rate", "epoch time, s",
                       "GPU duty p50, %", "training speed, windows/s", "val sign ratio, horizon 20",
                       "time in wait, s", "gradient of cs_ic"):  # fmt: skip
            assert any(wanted in name for name in names), wanted


@every_size
async def test_the_values_at_the_hairline_are_those_of_the_log(book, live, size):
    async with console(book, size=size) as shown:
        await shown.press("5")
        await shown.shows("newest epoch")
        await shown.press("left", "left", "left", "left")
        await shown.shows(" epoch 6 ")
        await shown.until(lambda: len(values(shown)) == 4)
        rows = {line.split()[0]: line.split() for line in values(shown)}
        trials = shown.app.view.state.trials
        for number in (0, 1, 3):
            found, before = (trials[number].epochs[i].metric("rank_ic", 1) for i in (5, 4))
            assert rows[str(number)][3:6] == [f"{found:.3f}"[1:], ".011", f"{found - before:+.3f}"
                                              .replace("0.", ".")]  # fmt: skip
        assert rows["2"][3:6] == ["-", "-", "-"], "it had no sixth epoch"
        await shown.press("home")
        await shown.shows(" epoch 1 ")
        await shown.press("left")
        await shown.shows(" epoch 1 ")
        await shown.press("end")
        await shown.shows("newest epoch")
        await shown.press("pageup", "pageup")
        await shown.shows(" epoch 8 ")
        await shown.press("pagedown", "right")
        await shown.shows("newest epoch")


def values(shown):
    """The lines below the chart, without cursor."""
    lines = [line.strip("│").replace(">", " ", 1) for line in shown.drawn("curves")]
    head = next(i for i, line in enumerate(lines) if "moved" in line)
    return [line for line in lines[head + 1 :] if line.split() and line.split()[0].isdigit()]


def banded(pane):
    """The colours in which errors are drawn."""
    spans = [span for row in pane._rows for span in row.content.spans]
    return {span.style for span in spans if "50%" in str(span.style)}


async def test_the_cursor_chooses_whose_error_is_drawn_and_enter_opens_it(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.press("5")
        pane = shown.pane("curves")
        assert pane.cursor == "1", "the best"
        await shown.until(lambda: banded(pane) == {"$text-warning 50%"})
        await shown.press("up")
        assert pane.cursor == "0" and banded(pane) == {"$text-primary 50%"}
        await shown.press("m", "m", "m", "m", "m", "m", "m", "m", "m")
        assert banded(pane) == set(), "the loss has no error"
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.shows("1 Trial 0")


async def test_beside_each_other_the_curves_have_the_same_keys(book, live):
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("space", "space", "c")
        await shown.on("CompareScreen")
        await shown.press("5", "m", "left")
        assert title(shown).startswith("5 val RankIC, horizon 5  metric 2 of ")
        await shown.shows(" epoch 9 ")
        assert shown.pane("curves").cursor == "3", "the one that was marked first"
        await shown.press("enter")
        await shown.on("TrialScreen")
        assert shown.app.screen.number == 3
        await shown.press("escape")
        await shown.on("CompareScreen")


async def test_logarithms_are_asked_for_and_said(book, live):
    async with console(book, size=MIDDLE) as shown:
        await shown.press("5", "l")
        assert title(shown).endswith("log")
        await shown.press("l")
        assert title(shown).endswith("linear")


async def test_nothing_positive_has_no_logarithm(book, finished):
    with Journal(finished.events) as journal:
        journal.append(ev.WorkerStarted(trial=1))
        journal.append(ev.Epoch(trial=1, attempt=1, worker_seq=1, epoch=1, train={"loss": -1.0}))
    async with console(book, finished.path, size=SMALL) as shown:
        pane = shown.pane("curves")
        pane.choose((1,), "")
        await shown.press("5", "l")
        await shown.shows("no value yet")
        await shown.press("m")
        await shown.shows("no value above 0")


async def test_focus_alone_shows_one_metric_and_leaving_both(book, live):
    async with console(book, size=MIDDLE) as shown:
        assert "train loss" in shown.said("curves")
        shown.pane("curves").focus()
        await shown.until(lambda: "train loss" not in shown.said("curves"))
        assert " newest epoch  >1 " in shown.said("curves"), "there is room for a line"
        await shown.press("up")
        assert " newest epoch  >0 " in shown.said("curves")
        shown.pane("trials").focus()
        await shown.until(lambda: "train loss" in shown.said("curves"))


async def test_it_is_drawn_again_only_when_there_is_news(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.press("5")
        pane = shown.pane("curves")
        before = pane._rows
        with Journal(live.events) as journal:
            journal.append(ev.Progress(trial=3, worker_seq=80, epoch=8, phase="train", batch=60))
        await shown.until(lambda: shown.app.view.state.trials[3].batch == 60)
        assert pane._rows is before
        tui_run.add_epoch(live, 3, 8)
        await shown.until(lambda: len(shown.app.view.state.trials[3].epochs) == 8)
        assert pane._rows is not before
        plot = pane._plot[1]
        await shown.press("left")
        assert pane._plot[1] is plot, "a hairline draws no line again"


async def test_a_metric_that_came_late_keeps_its_place_when_it_is_chosen(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("5", "M")
        chosen = title(shown).split("  ")[0]
        with Journal(live.events) as journal:
            journal.append(
                ev.Epoch(
                    trial=3, attempt=1, worker_seq=99, epoch=8, train={"loss": 1.0, "new": 2.0}
                )
            )
        await shown.until(lambda: len(shown.app.view.state.trials[3].epochs) == 8)
        assert title(shown).split("  ")[0] == chosen


@every_size
async def test_without_an_epoch_every_key_is_harmless(book, size):
    run = tui_run.new_run(book, book.stage("dry"))
    async with console(book, run.path, size=size) as shown:
        await shown.press(
            "5", "m", "M", "l", "left", "right", "home", "end", "up", "pageup", "enter"
        )
        await shown.shows("no epoch has ended yet")
        assert shown.screen == "ConsoleScreen"


@hostile
async def test_hostile_names_of_metrics_are_drawn_as_text(book, live, text):
    odd = {text: 0.5, "loss": 0.1}
    val = {text: odd, "1": {"rank_ic": 0.1, text: 0.1}}
    with Journal(live.events) as journal:
        journal.append(
            ev.Epoch(trial=3, attempt=1, worker_seq=99, epoch=8, seconds=1.0, train=odd, time=odd,
                     rates=odd, gpu=odd, val=val)
        )  # fmt: skip
    async with console(book, live.path, size=SMALL) as shown:
        await shown.until(lambda: len(shown.app.view.state.trials[3].epochs) == 8)
        await shown.press("5")
        count = int(title(shown).split(" of ")[1].split()[0])
        for _ in range(count):
            assert_harmless(shown)
            await shown.press("m")
