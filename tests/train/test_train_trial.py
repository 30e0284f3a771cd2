"""A trial in this process: resume, orders, verdicts; its numbers are those of its files."""

import json
import os
from itertools import groupby

import numpy as np
import pytest
import torch
from scipy import stats
from train_panels import make_config, make_panel, make_run

from atft_core.data.panel import open_panel
from atft_core.data.splits import make_split
from atft_core.errors import EngineError
from atft_core.run.daily import read_days
from atft_core.run.events import Epoch, Progress, Settings
from atft_core.run.files import write_json
from atft_core.run.journal import read_events
from atft_core.train.report import Interrupted, LastWord, Reporter
from atft_core.train.results import trial_value
from atft_core.train.tables import read_table
from atft_core.train.trial import finish, prepare, run_epoch, train
from atft_core.train.worker import run_trial

torch.set_num_threads(1)


def attempt(run, number=1, trial=0):
    with LastWord(run.trial(trial).exit, number) as word:
        run_trial(run, trial, number, word)
    return json.loads(run.trial(trial).exit.read_text())


def metrics(run, trial=0):
    return json.loads(run.trial(trial).metrics.read_text())


def learnt(run):
    return [(row["epoch"], row["train"], row["val"]) for row in metrics(run)["epochs"]]


def interrupt(run, epoch, batch, number=1):
    """An attempt that ends at a block of an epoch, as a kill would."""
    reporter = Reporter(run.trial(0), 0, number)
    tick = reporter.tick

    def killed(phase, i, n):
        if (reporter.epoch, phase, i) == (epoch, "train", batch):
            raise Interrupted("kill")
        return tick(phase, i, n)

    reporter.tick = killed
    with reporter.journal, pytest.raises(Interrupted):
        work = prepare(run, 0, reporter)
        for e in range(work.epoch + 1, epoch + 1):
            run_epoch(work, e)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = make_config(train__max_epochs=4)
    run = make_run(tmp_path_factory.mktemp("whole"), make_panel(), config)
    return run, attempt(run)


def test_a_trial_leaves_every_file_and_the_verdict_last(finished):
    run, word = finished
    files = run.trial(0)
    value = np.median([row["val"]["1"]["rank_ic"] for row in metrics(run)["epochs"][-3:]])
    assert word == {"attempt": 1, "state": "complete", "reason": "", "value": value, "epoch": 4}
    written = [files.metrics, files.daily_ic, files.daily_text, files.predictions, files.exit]
    times = [path.stat().st_mtime_ns for path in written]
    assert max(times) == times[-1]
    assert not list(files.path.glob(".*"))
    found = metrics(run)
    assert (found["trial"], found["state"], found["holdout"]) == (0, "complete", None)
    assert found["val"] == found["epochs"][-1]["val"]
    assert found["best_epoch"] in (1, 2, 3, 4)


def test_the_events_tell_settings_phases_and_epochs(finished):
    run, _ = finished
    events = [stamped.event for stamped in read_events(run.trial(0).events)]
    settings = [e.values for e in events if isinstance(e, Settings)]
    assert len(settings) == 1
    observed = settings[0]
    assert observed["feed"] == "mmap"
    assert observed["loss"] == {
        "rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05, "quantile": 0.0,
        "direction": 0.0, "pairwise": 0.0, "spearman": 0.0,
    }  # fmt: skip
    assert (observed["device"], observed["amp"], observed["threads"]) == ("cpu", "off", 1)
    assert (observed["pid"], observed["max_batches"]) == (os.getpid(), 0)
    phases = [phase for phase, _ in groupby(e.phase for e in events if isinstance(e, Progress))]
    assert phases[:5] == ["load", "baselines", "train", "validate", "checkpoint"]
    assert phases[-1] == "score"
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert [e.epoch for e in epochs] == [1, 2, 3, 4]
    assert epochs[0].batches == epochs[0].batches_available > 0
    assert set(epochs[0].time) == {
        "train_start", "train_end", "wait", "compute", "validate", "checkpoint", "h2d", "forward",
        "backward", "optimiser", "other",
    }  # fmt: skip
    for epoch in epochs:
        times, parts = epoch.time, ("forward", "backward", "optimiser")
        assert min(times[part] for part in parts) > 0
        assert sum(times[part] for part in parts) <= times["compute"] * 1.001
        known = ("wait", "h2d", *parts, "validate", "checkpoint", "other")
        assert sum(times[part] for part in known) == pytest.approx(epoch.seconds, rel=0.05)
        assert min(epoch.rates.values()) > 0
        assert set(epoch.rates) == {"windows_per_s", "gflop_per_s", "gb_per_s", "learning_rate"}
    assert epochs[0].gpu is None


def test_the_reported_numbers_are_scipys_on_the_stored_predictions(finished):
    run, _ = finished
    table = read_table(run.trial(0).predictions)
    columns = {name: table[name].to_numpy() for name in ("date", "horizon", "prediction", "target")}
    daily = read_table(run.trial(0).daily_ic).to_pylist()
    found = {1: [], 5: []}
    for row in daily:
        here = (columns["date"] == np.datetime64(row["date"])) & (
            columns["horizon"] == row["horizon"]
        )
        p, y = columns["prediction"][here], columns["target"][here]
        known = np.isfinite(y)
        assert row["n"] == known.sum()
        if row["rank_ic"] is None:
            assert known.sum() < 10
            continue
        p, y = p[known].astype(np.float64), y[known].astype(np.float64)
        assert row["ic"] == pytest.approx(stats.pearsonr(p, y)[0], abs=1e-9)
        assert row["rank_ic"] == pytest.approx(stats.spearmanr(p, y)[0], abs=1e-9)
        found[row["horizon"]].append(row["rank_ic"])
    for horizon, values in found.items():
        summary = metrics(run)["val"][str(horizon)]
        assert summary["rank_ic"] == pytest.approx(np.mean(values), abs=1e-12)
        assert summary["days"] == len(values)


def test_the_text_of_the_days_says_what_the_record_says(finished):
    run, _ = finished
    files = run.trial(0)
    for horizon in (1, 5):
        rows = [row for row in read_table(files.daily_ic).to_pylist() if row["horizon"] == horizon]
        days = read_days(files.daily_text, horizon)
        assert [(d.date, d.n, d.ic, d.rank_ic) for d in days] == [
            (str(row["date"]), row["n"], row["ic"], row["rank_ic"]) for row in rows
        ]


def test_stored_rows_are_the_traded_stocks_of_validation_with_the_panels_labels(finished):
    run, _ = finished
    panel, config = open_panel(run.path.parent / "cache.arrow"), make_config()
    val = make_split(panel.dates_T, config.split, config.label.purge_days, 5).val
    rows = read_table(run.trial(0).predictions).to_pylist()
    assert len(rows) == panel.valid_TN[val.start : val.stop].sum() * 2
    day = {d: i for i, d in enumerate(panel.dates_T)}
    for row in rows[::7]:
        t, n = day[np.datetime64(row["date"])], panel.codes.index(row["code"])
        y = panel.y_TNH[t, n, panel.horizons.index(row["horizon"])]
        assert t in val
        assert (row["target"] is None) == bool(np.isnan(y))
        assert row["target"] is None or np.float32(row["target"]) == y
        assert row["split"] == "val"


def test_the_columns_are_of_the_documented_types(finished):
    run, _ = finished
    types = {f.name: str(f.type) for f in read_table(run.trial(0).predictions).schema}
    assert types == {
        "split": "dictionary<values=string, indices=int8, ordered=0>",
        "date": "date32[day]",
        "code": "dictionary<values=string, indices=int32, ordered=0>",
        "horizon": "int32",
        "prediction": "float",
        "target": "float",
    }
    daily = {f.name: str(f.type) for f in read_table(run.trial(0).daily_ic).schema}
    assert list(daily) == ["split", "date", "horizon", "n", "ic", "rank_ic"]
    assert daily["rank_ic"] == "double"


@pytest.mark.parametrize(("epoch", "batch"), [(1, 2), (2, 0), (3, 4)])
def test_an_interrupted_and_resumed_trial_equals_an_uninterrupted_one(
    finished, tmp_path, epoch, batch
):
    whole, word = finished
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, epoch, batch)
    assert attempt(run, 2) == word | {"attempt": 2}
    assert learnt(run) == learnt(whole)
    assert read_table(run.trial(0).predictions).equals(read_table(whole.trial(0).predictions))


def test_a_trial_killed_after_its_last_epoch_is_scored_again_with_the_same_result(
    finished, tmp_path
):
    whole, word = finished
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, 4, 3)
    reporter = Reporter(run.trial(0), 0, 2)
    with reporter.journal:
        run_epoch(prepare(run, 0, reporter), 4)
    assert not run.trial(0).predictions.exists()
    assert attempt(run, 3) == word | {"attempt": 3}
    for name in ("predictions", "daily_ic"):
        tables = [read_table(getattr(each.trial(0), name)) for each in (run, whole)]
        assert tables[0].equals(tables[1])


def test_a_resumed_worker_tells_its_finished_epochs_again(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=3))
    interrupt(run, 3, 0)
    attempt(run, 2)
    events = [stamped.event for stamped in read_events(run.trial(0).events)]
    told = [e.epoch for e in events if isinstance(e, Epoch) and e.attempt == 2]
    assert told == [1, 2, 3]


def test_a_damaged_newest_checkpoint_costs_one_epoch(finished, tmp_path, caplog):
    whole, _ = finished
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, 4, 0)
    os.truncate(run.trial(0).checkpoints / "epoch_00003" / "weights.safetensors", 10)
    attempt(run, 2)
    assert learnt(run) == learnt(whole)
    assert "epoch_00003 is not usable" in caplog.text


def test_a_killed_trial_has_the_metrics_of_its_finished_epochs(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, 3, 1)
    found = metrics(run)
    assert (found["state"], len(found["epochs"])) == ("running", 2)
    assert read_table(run.trial(0).daily_ic).num_rows > 0
    assert not run.trial(0).exit.exists()


def test_a_stopped_trial_has_no_value_and_goes_on_later(finished, tmp_path):
    _, word = finished
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, 3, 1)
    write_json(run.trial(0).control, {"op": "stop"})
    assert attempt(run, 2) == {
        "attempt": 2, "state": "stopped", "reason": "", "value": None, "epoch": 2,
    }  # fmt: skip
    assert metrics(run)["state"] == "stopped"
    run.trial(0).control.unlink()
    assert attempt(run, 3) == word | {"attempt": 3}


def test_a_pruned_trial_leaves_all_files_of_its_last_epoch(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, 3, 1)
    write_json(run.trial(0).control, {"op": "prune"})
    word = attempt(run, 2)
    rank_ics = [row["val"]["1"]["rank_ic"] for row in metrics(run)["epochs"]]
    assert (word["state"], word["epoch"], word["value"]) == ("pruned", 2, np.median(rank_ics))
    assert run.trial(0).predictions.exists()
    assert metrics(run)["state"] == "pruned"


def test_a_trial_pruned_after_a_resume_is_scored_by_the_weights_of_its_last_epoch(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=4))
    interrupt(run, 3, 1)
    before = metrics(run)["epochs"][-1]["val"]["1"]["rank_ic"]
    reporter = Reporter(run.trial(0), 0, 2)
    tick = reporter.tick

    def ordered(phase, i, n):
        if (reporter.epoch, phase, i) == (3, "train", 3):
            raise Interrupted("prune")
        return tick(phase, i, n)

    reporter.tick = ordered
    with reporter.journal:
        work = prepare(run, 0, reporter)
        finish(work, train(work))
    daily = read_table(run.trial(0).daily_ic).to_pydict()
    rows = zip(daily["rank_ic"], daily["horizon"], strict=True)
    rank_ics = [rank_ic for rank_ic, horizon in rows if horizon == 1 and rank_ic is not None]
    assert np.mean(rank_ics) == pytest.approx(before, abs=1e-6)


def test_an_unknown_or_torn_order_is_no_order(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config())
    run.trial(0).control.write_text('{"op": "st')
    assert attempt(run)["state"] == "complete"


def test_parameters_of_the_trial_are_those_of_params_json(tmp_path):
    params = ({}, {"model.hidden": 32, "loss.sharpe": 0.0, "train.block_days": 16})
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=1), params)
    observed = []
    for trial in (0, 1):
        attempt(run, trial=trial)
        events = (stamped.event for stamped in read_events(run.trial(trial).events))
        observed += [e.values for e in events if isinstance(e, Settings)]
    assert [o["block_days"] for o in observed] == [8, 16]
    assert [o["loss"]["sharpe"] for o in observed] == [0.1, 0.0]
    assert observed[1]["parameters"] > observed[0]["parameters"]
    assert "sharpe" not in metrics(run, 1)["epochs"][0]["train"]


def test_a_trial_whose_validation_is_never_defined_fails(tmp_path):
    panel = make_panel()
    panel.y_TNH[90:] = np.nan
    run = make_run(tmp_path, panel, make_config())
    with pytest.raises(EngineError, match="undefined in each of the last 2 epochs"):
        attempt(run)
    word = json.loads(run.trial(0).exit.read_text())
    assert (word["state"], word["value"], word["epoch"]) == ("failed", None, 2)
    assert metrics(run)["state"] == "failed"
    assert metrics(run)["val"]["1"]["rank_ic"] is None
    assert metrics(run)["best_epoch"] is None


def test_the_value_is_the_median_of_the_last_defined_epochs():
    def rows(*values):
        return [{"val": {"1": {"rank_ic": value}}} for value in values]

    assert trial_value(rows(0.9, 0.1, 0.3, 0.2), 1, 3) == 0.2
    assert trial_value(rows(0.9, None, 0.3, 0.2), 1, 3) == 0.25
    assert trial_value(rows(0.9, None, None, None), 1, 3) is None
    assert trial_value(rows(0.1), 1, 3) == 0.1
    assert trial_value([], 1, 3) is None
