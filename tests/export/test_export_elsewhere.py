"""What other programs read of a run, read by them."""

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from atft_core.bench.runs import long_run
from atft_core.errors import UsageError
from atft_core.export import mlflow, tensorboard
from atft_core.export.shapes import for_alphalens, for_qlib
from atft_core.run.files import write_json
from atft_core.run.status import evidence

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def run(tmp_path):
    run = long_run(tmp_path / "night", trials=3, epochs=4)
    write_json(run.run_json, {**run.facts(), "id": "abc"})
    return run


def test_tensorboard_reads_every_epoch_at_its_time(run, tmp_path):
    pytest.importorskip("tensorboard", reason="pip install 'atft[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    state = evidence(run)
    assert tensorboard.write(run, state, str(tmp_path / "tb")).startswith("4 trials")
    for trial in list(state.trials.values())[:3]:
        seen = EventAccumulator(str(tmp_path / "tb" / f"trial_{trial.number}")).Reload()
        told = [(each.step, each.wall_time, each.value) for each in seen.Scalars("val_h5/rank_ic")]
        known = [(row.epoch, row.t, row.metric("rank_ic", 5)) for row in trial.epochs]
        assert [each[:2] for each in told] == [each[:2] for each in known]
        assert [each[2] for each in told] == pytest.approx([each[2] for each in known], rel=1e-6)
        assert seen.Scalars("value")[0].value == pytest.approx(trial.value, rel=1e-6)
    with pytest.raises(UsageError, match="is not empty"):
        tensorboard.write(run, state, str(tmp_path / "tb"))


def test_an_mlflow_store_has_a_run_for_each_trial(run, tmp_path):
    pytest.importorskip("mlflow", reason="pip install 'atft[mlflow]'")
    from mlflow.tracking import MlflowClient

    state, uri = evidence(run), (tmp_path / "store").as_uri()
    assert mlflow.send(run, state, uri) == f"4 trials told to {uri}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(state.study_name)
    runs = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {run.path.name, *(f"trial {number}" for number in state.trials)}
    parent = runs[run.path.name].info.run_id
    assert runs[run.path.name].info.status == "RUNNING"
    assert runs[f"trial {max(state.trials)}"].info.status == "RUNNING"
    mlflow.send(run, replace(state, end_state="FAILED", study_name="broken"), uri)
    broken = client.get_experiment_by_name("broken").experiment_id
    failed = client.search_runs([broken], f"attributes.run_name = '{run.path.name}'")
    assert [each.info.status for each in failed] == ["FAILED"]
    for trial in list(state.trials.values())[:3]:
        seen = runs[f"trial {trial.number}"]
        assert seen.data.tags["mlflow.parentRunId"] == parent
        assert seen.info.status == "FINISHED"
        assert float(seen.data.params["train.learning_rate"]) == trial.params["train.learning_rate"]
        told = client.get_metric_history(seen.info.run_id, "val.h1.rank_ic")
        known = [(row.epoch, row.metric("rank_ic", 1)) for row in trial.epochs]
        assert sorted((each.step, each.value) for each in told) == known


@pytest.fixture
def predictions():
    """As a run keeps them: 40 days of 30 stocks, with a signal."""
    rng, rows = np.random.default_rng(0), []
    for day in range(40):
        date = dt.date(2026, 1, 1) + dt.timedelta(days=day)
        score = rng.standard_normal(30)
        for stock in range(30):
            for horizon in (1, 5):
                target = 0.01 * score[stock] + 0.01 * rng.standard_normal()
                rows.append(("val", date, f"S{stock:02d}", horizon, score[stock], target))
    names = ["split", "date", "code", "horizon", "prediction", "target"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_alphalens_takes_them_as_a_factor_with_returns(predictions):
    utils = pytest.importorskip("alphalens.utils", reason="pip install alphalens-reloaded")
    performance = pytest.importorskip("alphalens.performance")
    frame = for_alphalens(predictions, 1, "val").to_pandas().set_index(["date", "asset"])
    clean = utils.get_clean_factor(frame["factor"], frame[["1D", "5D"]], quantiles=5, max_loss=0)
    assert len(clean) == 40 * 30
    found = performance.factor_information_coefficient(clean).mean()
    days = (
        predictions.filter(pl.col("horizon") == 1)
        .group_by("date")
        .agg(pl.corr("prediction", "target", method="spearman").alias("ic"))
    )
    assert found["1D"] == pytest.approx(days["ic"].mean(), abs=1e-9)
    spread = performance.mean_return_by_quantile(clean)[0]["1D"]
    assert spread.iloc[-1] > 0 > spread.iloc[0]


def test_qlib_takes_them_as_scores_with_labels(predictions):
    evaluate = pytest.importorskip("qlib.contrib.eva.alpha", reason="pip install pyqlib")
    frame = for_qlib(predictions, 1, "val").to_pandas().set_index(["datetime", "instrument"])
    ic, rank_ic = evaluate.calc_ic(frame["score"], frame["label"])
    days = predictions.filter(pl.col("horizon") == 1).group_by("date").agg(
        pl.corr("prediction", "target", method="spearman").alias("rank_ic"),
        pl.corr("prediction", "target").alias("ic"),
    ).sort("date")  # fmt: skip
    assert ic.to_numpy() == pytest.approx(days["ic"].to_numpy(), abs=1e-9)
    assert rank_ic.to_numpy() == pytest.approx(days["rank_ic"].to_numpy(), abs=1e-9)
