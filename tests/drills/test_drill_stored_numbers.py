"""What a run stores is true: recomputed from its own files and from the panel, with other tools."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drill import FAST, atft
from scipy.stats import pearsonr, spearmanr

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory
from atft_core.run.journal import Tail
from atft_core.run.status import load
from atft_core.writer import summed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HORIZONS = (1, 5, 10, 20)
LAGS = (0, 1)


@pytest.fixture(scope="module")
def runs(place, panel) -> dict[int, RunDirectory]:
    """A finished run of one trial for each entry lag."""
    for lag in LAGS:
        sets = [word for text in [*FAST, f"label.entry_lag={lag}"] for word in ("--set", text)]
        atft(
            "hpo", "--data-path", panel, "--n-trials", 1, "--max-epochs", 2,
            "--study-name", "numbers", "--output-dir", place / f"lag{lag}", *sets,
        )  # fmt: skip
    return {lag: RunDirectory(place / f"lag{lag}") for lag in LAGS}


@pytest.fixture
def copy(runs, tmp_path, monkeypatch) -> RunDirectory:
    """A copy of a finished run, and an empty ledger."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(runs[0].path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


def table(path: Path) -> pl.DataFrame:
    """An Arrow IPC file, dictionaries as text."""
    frame = pl.read_ipc(path)
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def close_matrix(panel: Path) -> tuple[list, list, np.ndarray]:
    """Dates, codes and closes [day, stock] of the input on its union calendar; NaN = no row."""
    wide = pl.read_parquet(panel).pivot("code", index="date", values="close").sort("date")
    codes = [name for name in wide.columns if name != "date"]
    return wide["date"].to_list(), codes, wide.select(codes).to_numpy().astype(float)


def expected_targets(closes: np.ndarray, horizon: int, lag: int) -> np.ndarray:
    """close[t + lag + h] / close[t + lag] - 1, NaN beyond the calendar."""
    days = len(closes)
    found = np.full(closes.shape, np.nan)
    for t in range(days - lag - horizon):
        found[t] = closes[t + lag + horizon] / closes[t + lag] - 1
    return found


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_stored_targets_are_the_returns_of_the_input(runs, panel, lag, horizon):
    dates, codes, closes = close_matrix(panel)
    steps = np.abs(closes[1:] / closes[:-1] - 1)
    assert np.nanmax(steps) < 0.5, "nothing here is masked as extreme"
    expected = expected_targets(closes, horizon, lag)
    rows = table(runs[lag].trial(0).predictions).filter(pl.col("horizon") == horizon)
    day = [dates.index(value) for value in rows["date"]]
    stock = [codes.index(value) for value in rows["code"]]
    wanted = expected[day, stock]
    stored = rows["target"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    assert np.array_equal(np.isnan(stored), np.isnan(wanted))
    np.testing.assert_allclose(stored, wanted, rtol=1e-5, atol=1e-7)
    assert np.isfinite(stored).sum() > 1000
    assert np.isfinite(closes[day, stock]).all(), "a stock without a close that day has no row"


@pytest.mark.parametrize("lag", LAGS)
def test_every_stock_of_every_validation_day_has_one_prediction_per_horizon(runs, panel, lag):
    run = runs[lag]
    dates, codes, closes = close_matrix(panel)
    split = run.facts()["split"]
    first, last = split["val"]
    inside = [i for i, day in enumerate(dates) if first <= day.isoformat() <= last]
    assert len(inside) == split["val_days"]
    traded = {
        (dates[i].isoformat(), codes[s])
        for i in inside
        for s in np.flatnonzero(np.isfinite(closes[i]))
    }
    rows = table(run.trial(0).predictions)
    assert set(rows["split"]) == {"val"}
    for horizon in HORIZONS:
        part = rows.filter(pl.col("horizon") == horizon)
        keys = [(day.isoformat(), code) for day, code in part.select("date", "code").rows()]
        assert len(keys) == len(set(keys))
        assert set(keys) == traded
    assert rows["prediction"].is_finite().all()
    assert len(rows) == len(traded) * len(HORIZONS)


def daily_from_predictions(rows: pl.DataFrame) -> pl.DataFrame:
    """Pearson and Spearman of each day and horizon, by scipy."""
    found = []
    known = rows.filter(pl.col("target").is_not_null())
    for (day, horizon), part in known.group_by("date", "horizon"):
        x = part["prediction"].cast(pl.Float64).to_numpy()
        y = part["target"].cast(pl.Float64).to_numpy()
        found.append((day, horizon, len(part), pearsonr(x, y)[0], spearmanr(x, y)[0]))
    names = ["date", "horizon", "n", "ic", "rank_ic"]
    return pl.DataFrame(found, schema=names, orient="row").sort("date", "horizon")


@pytest.mark.parametrize("lag", LAGS)
def test_daily_correlations_recomputed_from_the_predictions_are_those_on_file(runs, lag):
    files = runs[lag].trial(0)
    stored = table(files.daily_ic).sort("date", "horizon")
    again = daily_from_predictions(table(files.predictions))
    assert set(stored["split"]) == {"val"}
    assert stored.select("date", "horizon").rows() == again.select("date", "horizon").rows()
    assert stored["n"].to_list() == again["n"].to_list()
    for name in ("ic", "rank_ic"):
        np.testing.assert_allclose(stored[name].to_numpy(), again[name].to_numpy(), atol=1e-6)


@pytest.mark.parametrize("lag", LAGS)
def test_means_of_the_daily_correlations_are_those_in_metrics_json(runs, lag):
    files = runs[lag].trial(0)
    metrics = json.loads(files.metrics.read_text())
    daily = table(files.daily_ic)
    for horizon in HORIZONS:
        part, said = daily.filter(pl.col("horizon") == horizon), metrics["val"][str(horizon)]
        for name in ("ic", "rank_ic"):
            days = part[name].drop_nulls().to_numpy()
            assert said[name] == pytest.approx(days.mean(), abs=1e-5)
            ratio = "icir" if name == "ic" else "rank_icir"
            assert said[ratio] == pytest.approx(days.mean() / days.std(ddof=1), abs=1e-5)
        assert said["days"] + said["invalid_days"] == len(part)
        assert said["days"] == len(part["rank_ic"].drop_nulls())
    assert metrics["val"] == metrics["epochs"][-1]["val"]


@pytest.mark.parametrize("lag", LAGS)
def test_log_study_and_metrics_tell_the_same_value(runs, lag):
    state = load(runs[lag])
    assert state.facts["entry_lag"] == lag, "a Sharpe ratio is of that lag"
    (trial,) = state.trials.values()
    metrics = json.loads(runs[lag].trial(0).metrics.read_text())
    told = [row["val"]["1"]["rank_ic"] for row in metrics["epochs"]]
    assert [row.metric("rank_ic", 1) for row in trial.epochs] == told
    assert trial.value == pytest.approx(np.median(told))
    assert metrics["state"] == "complete"
    assert metrics["holdout"] is None


def ledger(tmp_path) -> list[dict]:
    path = tmp_path / "state" / "atft" / "holdout.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_look_at_the_holdout_adds_rows_and_metrics_and_is_counted(copy, tmp_path):
    files = copy.trial(0)
    before = table(files.predictions), table(files.daily_ic), files.metrics.read_text()
    said = json.loads(atft("holdout", copy.path, "--trial", 0, "--yes", "--json"))
    assert (said["trial"], said["looks"]) == (0, 1)
    rows, daily = table(files.predictions), table(files.daily_ic)
    for old, new in zip(before[:2], (rows, daily), strict=True):
        assert new.filter(pl.col("split") == "val").equals(old)
    seen, days = (frame.filter(pl.col("split") == "holdout") for frame in (rows, daily))
    split = copy.facts()["split"]
    first, last = split["holdout"]
    assert (days["date"].min().isoformat(), days["date"].max().isoformat()) == (first, last)
    assert days["date"].n_unique() == seen["date"].n_unique() == split["holdout_days"]
    again = daily_from_predictions(seen)
    merged = days.join(again, on=["date", "horizon"], suffix="_again")
    assert len(merged) == len(again)
    np.testing.assert_allclose(merged["rank_ic"], merged["rank_ic_again"], atol=1e-6)
    metrics = json.loads(files.metrics.read_text())
    assert metrics["holdout"] == said["holdout"]
    mean = days.filter(pl.col("horizon") == 1)["rank_ic"].mean()
    assert metrics["holdout"]["1"]["rank_ic"] == pytest.approx(mean, abs=1e-5)
    assert {**metrics, "holdout": None} == json.loads(before[2])
    (line,) = ledger(tmp_path)
    assert line["data_hash"] == copy.facts()["data"]["hash"]
    assert (line["run"], line["trial"]) == (str(copy.path), 0)


def test_a_second_look_replaces_the_rows_and_counts_again(copy, tmp_path):
    atft("holdout", copy.path, "--trial", 0, "--yes")
    once = table(copy.trial(0).predictions)
    said = json.loads(atft("holdout", copy.path, "--trial", 0, "--yes", "--json"))
    assert said["looks"] == 2
    assert table(copy.trial(0).predictions).equals(once)
    assert len(ledger(tmp_path)) == 2
    looks = [s.event for s in Tail(copy.events).events() if isinstance(s.event, ev.HoldoutScored)]
    assert [(event.trial, event.looks) for event in looks] == [(0, 1), (0, 2)]
    assert load(copy).trials[0].holdout == said["holdout"]
    assert json.loads(atft("status", copy.path, "--json"))["state"] == "FINISHED"


def test_without_a_yes_nothing_is_scored_or_counted(copy, tmp_path):
    before = copy.trial(0).predictions.read_bytes()
    atft("holdout", copy.path, "--trial", 0, code=2)
    assert ledger(tmp_path) == []
    assert copy.trial(0).predictions.read_bytes() == before


@pytest.mark.parametrize("number", [1, 7])
def test_a_trial_that_is_not_complete_is_not_scored(copy, tmp_path, number):
    with copy.events.open("a") as log:  # trial 1 was asked for and never ended
        seq = len(copy.events.read_text().splitlines()) + 1
        asked = {"seq": seq, "t": 1.0, "kind": "trial_asked", "trial": 1, "params": {}}
        log.write(summed(json.dumps(asked)) + "\n")
    atft("holdout", copy.path, "--trial", number, "--yes", code=2)
    assert ledger(tmp_path) == []
    assert not copy.trial(number).path.exists()


def test_a_look_that_cannot_be_counted_is_not_made(copy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    before = copy.trial(0).predictions.read_bytes(), copy.events.read_bytes()
    atft("holdout", copy.path, "--trial", 0, "--yes", code=1)
    assert (copy.trial(0).predictions.read_bytes(), copy.events.read_bytes()) == before
    assert json.loads(copy.trial(0).metrics.read_text())["holdout"] is None
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_run_says_how_much_of_its_best_trial_is_luck(runs):
    run = runs[0]
    daily = table(run.trial(0).daily_ic).filter(split="val", horizon=1)["rank_ic"].drop_nulls()
    found = json.loads(atft("status", run.path, "--json"))["significance"]
    assert (found["trial"], found["trials"], found["days"]) == (0, 1, len(daily))
    assert found["rank_ic"] == pytest.approx(daily.mean())
    assert found["rank_icir"] == pytest.approx(daily.mean() / daily.std())
    assert found["baseline"] in ("ridge", "reversal", "momentum", "lightgbm", "lightgbm + lags")
    assert found["overfitting"] is None
    assert found["said"] in run.log.read_text()
    text = atft("status", run.path)
    assert "on the same days" in text
    assert found["said"] in text
    shown = [line.split()[0] for line in text.partition("on the same days")[2].splitlines()[1:6]]
    assert {"ridge", "reversal", "momentum", "trial", "less"} <= set(shown)
