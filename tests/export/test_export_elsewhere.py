"""What other programs read of a run, read by them."""

import pytest

from atft_core.bench.runs import long_run
from atft_core.errors import UsageError
from atft_core.export import mlflow, tensorboard
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
    assert tensorboard.write(state, tmp_path / "tb") == 4
    for trial in list(state.trials.values())[:3]:
        seen = EventAccumulator(str(tmp_path / "tb" / f"trial_{trial.number}")).Reload()
        told = [(each.step, each.wall_time, each.value) for each in seen.Scalars("val_h5/rank_ic")]
        known = [(row.epoch, row.t, row.metric("rank_ic", 5)) for row in trial.epochs]
        assert [each[:2] for each in told] == [each[:2] for each in known]
        assert [each[2] for each in told] == pytest.approx([each[2] for each in known], rel=1e-6)
        assert seen.Scalars("value")[0].value == pytest.approx(trial.value, rel=1e-6)
    with pytest.raises(UsageError, match="is not empty"):
        tensorboard.write(state, tmp_path / "tb")


def test_an_mlflow_store_has_a_run_for_each_trial(run, tmp_path):
    pytest.importorskip("mlflow", reason="pip install 'atft[mlflow]'")
    from mlflow.tracking import MlflowClient

    state, uri = evidence(run), (tmp_path / "store").as_uri()
    assert mlflow.send(run, state, uri) == 4
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(state.study_name)
    runs = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {run.path.name, *(f"trial {number}" for number in state.trials)}
    parent = runs[run.path.name].info.run_id
    for trial in list(state.trials.values())[:3]:
        seen = runs[f"trial {trial.number}"]
        assert seen.data.tags["mlflow.parentRunId"] == parent
        assert seen.info.status == "FINISHED"
        assert float(seen.data.params["train.learning_rate"]) == trial.params["train.learning_rate"]
        told = client.get_metric_history(seen.info.run_id, "val.h1.rank_ic")
        known = [(row.epoch, row.metric("rank_ic", 1)) for row in trial.epochs]
        assert sorted((each.step, each.value) for each in told) == known
