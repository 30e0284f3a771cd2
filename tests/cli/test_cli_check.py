"""`atft check`: margins and what is missing, one criterion with its events and days, two runs."""

import json

import numpy as np
import pyarrow as pa
import pytest

from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.runbook import load, shipped, stage_to_json
from atft_core.train.results import split_column
from atft_core.train.tables import write_table
from atft_core.writer import summed

DAYS = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-31"))
VAL = {"rank_ic": 0.05, "rank_ic_se": 0.008, "ic": 0.03, "ic_se": 0.008, "days": 250,
       "sign_ratio": 0.02, "baseline": "reversal", "baseline_diff": 0.01,
       "baseline_diff_se": 0.004}  # fmt: skip
SETTINGS = {"feed": "resident", "start_method": "spawn", "val_debug": False,
            "loss": {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1}}  # fmt: skip


def a_run(place, rank_ic=0.05, *, override="", stage="dry", gpu=True):
    """A dry run that has ended, as an engine leaves it."""
    run = create(place)
    write_json(run.run_json, {"schema": 1, "stage": stage})
    run.lock.touch()
    spec = stage_to_json(load(shipped("runbook.toml")).stage(stage)) if stage else {}
    with Journal(run.events) as journal:
        journal.append(ev.RunStarted(run=place.name, stage=stage, n_trials=1, max_epochs=2,
                                     stage_spec=spec, override=override))  # fmt: skip
        journal.append(ev.EngineStarted(pid=1))
        journal.append(ev.TrialAsked(trial=0))
        journal.append(ev.WorkerStarted(trial=0, pid=2))
        journal.append(ev.Settings(trial=0, worker_seq=1, values=SETTINGS))
        for epoch in (1, 2):
            journal.append(
                ev.Epoch(trial=0, worker_seq=1 + epoch, epoch=epoch, seconds=20.0, batches=5,
                         batches_available=5, val={"1": {**VAL, "rank_ic": rank_ic}},
                         gpu={"n": 100, "p50": 90.0} if gpu else None)
            )  # fmt: skip
        journal.append(ev.TrialEnded(trial=0, value=rank_ic))
        journal.append(ev.RunEnded())
    return run


def leave_days(run):
    """Daily IC of the trial and of two baselines."""
    n = len(DAYS)
    rank_ic = np.linspace(-0.1, 0.2, n)
    rank_ic[3] = np.nan
    run.trial(0).path.mkdir()
    write_table(
        run.trial(0).daily_ic,
        pa.table({
            "split": split_column("val", n), "date": pa.array(DAYS),
            "horizon": np.full(n, 1, np.int32), "ic": np.full(n, 0.03),
            "rank_ic": pa.array(rank_ic, from_pandas=True),
        }),
    )  # fmt: skip
    write_table(
        run.baselines(),
        pa.table({
            "split": split_column("val", 2 * n), "date": pa.array(np.tile(DAYS, 2)),
            "horizon": np.full(2 * n, 1, np.int32), "name": ["good"] * n + ["poor"] * n,
            "rank_ic": np.concatenate([np.full(n, 0.01), np.full(n, -0.01)]),
        }),
    )  # fmt: skip
    return rank_ic


def test_a_row_has_its_margin_and_says_what_never_came(atft, tmp_path):
    a_run(tmp_path / "dry", gpu=False, override="vendor late")
    done = atft("check", "dry")
    assert done.code == 3
    rows = {" ".join(line.split()) for line in done.out.splitlines()}
    assert any("val RankIC h=1 .050 > -.010, goal 0 +.060 +7.5 se" in row for row in rows)
    assert any("never came: an epoch with GPU samples" in row for row in rows)
    assert "Started although its gate was closed: vendor late" in rows
    said = json.loads(atft("check", "dry", "--json").out)
    assert said["override"] == "vendor late"
    row = next(row for row in said["criteria"] if row["name"] == "val_rank_ic")
    assert row["margin"] == pytest.approx(0.06)
    assert row["margin_errors"] == pytest.approx(7.5)


def test_one_criterion_comes_with_its_events_and_days(atft, tmp_path):
    run = a_run(tmp_path / "dry")
    rank_ic = leave_days(run)
    done = atft("check", "dry", "--criterion", "val_rank_ic", "--json")
    assert done.code == 0
    said = json.loads(done.out)
    assert said["criterion"]["value"] == 0.05
    assert said["meaning"].startswith("Mean over the validation days")
    assert (said["event"], said["total"]) == ("epoch", 2)
    assert [(p["seq"], p["epoch"], p["decides"]) for p in said["points"]] == [
        (6, 1, False), (7, 2, True),
    ]  # fmt: skip
    assert [day["date"] for day in said["days"]] == [str(day) for day in DAYS]
    values = [day["value"] for day in said["days"]]
    assert values[3] is None, "an undefined day is none, not zero"
    assert values[-1] == pytest.approx(rank_ic[-1])
    text = atft("check", "dry", "--criterion", "val_rank_ic").out
    assert "2020-01-30  0.2000" in text
    assert "decides" in text


def test_the_days_against_the_best_baseline_are_differences(atft, tmp_path):
    rank_ic = leave_days(a_run(tmp_path / "dry"))
    done = atft("check", "dry", "--stage", "short", "--criterion", "beats_baseline", "--json")
    days = json.loads(done.out)["days"]
    assert days[-1]["value"] == pytest.approx(rank_ic[-1] - 0.01)


def test_without_the_files_of_the_trial_there_are_no_days(atft, tmp_path):
    a_run(tmp_path / "dry")
    said = json.loads(atft("check", "dry", "--criterion", "val_rank_ic", "--json").out)
    assert said["days"] == []


def test_an_unknown_criterion_is_refused_with_those_there_are(atft, tmp_path):
    a_run(tmp_path / "dry")
    done = atft("check", "dry", "--criterion", "val_rankic")
    assert done.code == 2
    assert "has no criterion 'val_rankic'" in done.err
    assert "It has val_rank_ic" in done.err


def test_two_runs_are_laid_beside_each_other(atft, tmp_path):
    a_run(tmp_path / "old", 0.01, stage="")
    a_run(tmp_path / "new", 0.06)
    done = atft("check", "new", "--against", "old")
    assert done.code == 0, "the checklist of the run itself decides"
    rows = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "++ better val RankIC h=1 .010 .060 +.050 +4.4" in rows
    assert "== the same epoch time 20.0 s 20.0 s 0.0 s" in rows
    assert "note: stage: ad hoc before, dry after" in rows
    against = json.loads(atft("check", "new", "--against", "old", "--json").out)["against"]
    assert against["run_dir"] == str(tmp_path / "old")
    (line,) = [line for line in against["lines"] if line["name"] == "val_rank_ic"]
    assert (line["change"], line["difference"]) == ("better", pytest.approx(0.05))
    assert line["z"] == pytest.approx(0.05 / (0.008 * 2**0.5))
    assert against["caveats"] == ["stage: ad hoc before, dry after"]


def test_an_ad_hoc_run_can_be_compared_but_not_judged(atft, tmp_path):
    a_run(tmp_path / "old", 0.01)
    a_run(tmp_path / "new", 0.06, stage="")
    assert atft("check", "new").code == 2
    done = atft("check", "new", "--against", "old")
    assert done.code == 0
    assert "++ better" in done.out


def test_a_place_that_is_no_run_is_refused(atft, tmp_path):
    a_run(tmp_path / "dry")
    (tmp_path / "empty").mkdir()
    done = atft("check", "dry", "--against", "empty")
    assert done.code != 0
    assert "empty is not a run directory" in done.err


@pytest.mark.parametrize("words", [("dry",), ("dry", "--against", "fine"),
                                   ("fine", "--against", "dry")])  # fmt: skip
@pytest.mark.parametrize(
    ("key", "value"), [("criteria", 5), ("criteria", ["x"]), ("gate", 7), ("n_trials", "many")]
)
def test_a_run_whose_stored_stage_is_damaged_is_said_in_one_line(atft, tmp_path, words, key, value):
    a_run(tmp_path / "fine")
    run = a_run(tmp_path / "dry")
    first, *rest = run.events.read_text().splitlines()
    event = json.loads(first)
    del event["crc"]
    event["stage_spec"][key] = value
    run.events.write_text("\n".join([summed(json.dumps(event)), *rest]) + "\n")
    done = atft("check", *words)
    assert (done.code, done.out) == (1, "")
    said, hint = done.err.splitlines()
    assert said.startswith(f"atft: {run.path}: its event log has a damaged stage: ")
    assert "--stage KEY" in hint
