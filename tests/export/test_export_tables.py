"""Tables for other programs hold what the log holds, under the same names."""

import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from atft_core.bench.runs import long_run
from atft_core.errors import UsageError
from atft_core.export import shapes, tables
from atft_core.run.state import State
from atft_core.run.status import evidence
from atft_core.train.tables import write_table

DAYS, CODES, HORIZONS = 12, ("A", "B", "C"), (1, 5, 20)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return long_run(tmp_path_factory.mktemp("runs") / "night", trials=4, epochs=3)


@pytest.fixture(scope="module")
def state(run):
    return evidence(run)


@pytest.fixture(scope="module")
def predicted(run, state):
    random, rows = np.random.default_rng(1), []
    for day in range(DAYS):
        for code in CODES:
            for horizon in HORIZONS:
                target = None if day >= DAYS - 1 and horizon > 1 else random.normal()
                date = datetime.date(2024, 3, 1) + datetime.timedelta(days=day)
                rows.append(("val", date, code, horizon, random.normal(), target))
    names = ("split", "date", "code", "horizon", "prediction", "target")
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    run.trial(state.best.number).path.mkdir(exist_ok=True)
    write_table(run.trial(state.best.number).predictions, table)
    return tables.predictions(run, state, None)


def test_trials_and_epochs_have_a_row_each_and_every_number_of_the_log(state):
    trials = tables.trials(state)
    assert trials["trial"].to_list() == list(state.trials)
    assert trials["value"].to_list() == [trial.value for trial in state.trials.values()]
    rates = [trial.params["train.learning_rate"] for trial in state.trials.values()]
    assert trials["params.train.learning_rate"].to_list() == rates
    assert trials["ended"].to_list()[-1] is None, "it still runs"
    epochs = tables.epochs(state)
    assert epochs.height == sum(len(trial.epochs) for trial in state.trials.values()) == 12
    for row, (trial, epoch) in zip(epochs.iter_rows(named=True),
                                   ((t, e) for t in state.trials.values() for e in t.epochs),
                                   strict=True):  # fmt: skip
        assert (row["trial"], row["epoch"]) == (trial.number, epoch.epoch)
        assert row["val.5.rank_ic"] == epoch.metric("rank_ic", 5)
        assert row["time.forward"] == epoch.time["forward"]


def test_columns_that_rows_disagree_about_are_text_and_none_is_left_out():
    frame = tables._frame([{"a": 1, "b": "x"}, {"a": 2.5, "b": 3}, {"c": [1, 2]}], {})
    assert frame["a"].to_list() == [1.0, 2.5, None]
    assert frame["b"].to_list() == ["x", "3", None]
    assert frame.columns == ["a", "b", "c"]
    assert tables._frame([], {"a": 1}).columns == ["a"]


def test_a_run_without_trials_still_has_columns(state):
    for table in (tables.trials, tables.epochs):
        empty, full = table(State()), table(state)
        assert empty.is_empty()
        alike = [name for name in full.columns if "." not in name]
        assert [name for name in empty.columns if "." not in name] == alike


def test_alphalens_gets_the_factor_and_the_return_of_each_period(predicted):
    frame = shapes.for_alphalens(predicted, 5, "val")
    assert frame.columns == ["date", "asset", "factor", "1D", "5D", "20D"]
    assert frame.height == DAYS * len(CODES)
    for row in frame.iter_rows(named=True):
        own = predicted.filter(
            (pl.col("date") == row["date"].date()) & (pl.col("code") == row["asset"])
        )
        by = {each["horizon"]: each for each in own.iter_rows(named=True)}
        assert row["factor"] == by[5]["prediction"]
        assert [row[f"{h}D"] for h in HORIZONS] == [by[h]["target"] for h in HORIZONS]


def test_a_split_that_is_asked_for_is_given_or_refused(predicted):
    assert set(shapes.of_split(predicted, "val")["split"]) == {"val"}
    with pytest.raises(UsageError, match="There are no holdout predictions"):
        shapes.of_split(predicted, "holdout")


def test_qlib_gets_score_and_label_by_day_and_instrument(predicted):
    frame = shapes.for_qlib(predicted, 1, "val")
    assert frame.columns == ["datetime", "instrument", "score", "label"]
    assert frame.rows() == sorted(frame.rows(), key=lambda row: row[:2])
    own = predicted.filter(pl.col("horizon") == 1).sort("date", "code")
    assert frame["score"].to_list() == own["prediction"].to_list()


def test_what_is_not_there_is_said(run, state, predicted):
    with pytest.raises(UsageError, match="no holdout predictions at horizon 5") as caught:
        shapes.for_qlib(predicted, 5, "holdout")
    assert "horizons 1, 5, 20 of val" in caught.value.hint
    other = next(number for number in state.trials if number != state.best.number)
    with pytest.raises(UsageError, match=f"trial {other} were not kept") as caught:
        tables.predictions(run, state, other)
    assert str(state.best.number) in caught.value.hint
