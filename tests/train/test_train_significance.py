"""What the best of several trials is worth, from the files that they left."""

import numpy as np
import pyarrow as pa
import pytest

from atft_core.objective.multiple import expected_best
from atft_core.run.directory import RunDirectory
from atft_core.train.results import split_column
from atft_core.train.significance import significance, told
from atft_core.train.tables import write_table

DAYS = 200
DATES = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + DAYS)


def table(rank_ic, horizon=1, **columns):
    n = len(rank_ic)
    return pa.table(
        {
            "split": split_column("val", n),
            "date": pa.array(DATES[:n]),
            "horizon": np.full(n, horizon, np.int32),
            **columns,
            "rank_ic": pa.array(rank_ic, from_pandas=True),
        }
    )


def leave(run, series, baseline, horizon=1):
    for number, rank_ic in series.items():
        run.trial(number).daily_ic.parent.mkdir(parents=True, exist_ok=True)
        write_table(run.trial(number).daily_ic, table(rank_ic, horizon))
    names = pa.array(["r"] * len(baseline))
    write_table(run.baselines(), table(baseline, horizon, name=names))


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path)


def worthless(k, seed=0):
    return {i: np.random.default_rng((seed, i)).normal(0, 0.1, DAYS) for i in range(k)}


def test_a_signal_among_noise_is_found(run):
    series = worthless(8)
    series[3] = series[3] + 0.06
    leave(run, series, np.zeros(DAYS))
    found = significance(run, list(series), list(series), 3, 1)
    assert found["trials"] == 8
    assert found["days"] == DAYS
    assert found["above_luck"] > 0.95
    assert found["overfitting"] < 0.05
    assert found["superior_p"] < 0.01
    assert found["better"] == [3]
    assert found["rank_ic"] == pytest.approx(series[3].mean())
    ratios = [x.mean() / x.std(ddof=1) for x in series.values()]
    assert found["rank_icir_by_luck"] == pytest.approx(expected_best(np.std(ratios, ddof=1), 8))
    said = told(found, 3, 1)
    assert "best of 8 worthless trials" in said
    assert "trials 3 are surely better than r (p < .001)" in said


def test_the_best_of_noise_is_seen_through(run):
    series = worthless(20)
    best = max(series, key=lambda k: series[k].mean())
    leave(run, series, np.zeros(DAYS))
    found = significance(run, list(series), list(series), best, 1)
    assert found["above_luck"] < 0.95
    assert found["overfitting"] > 0.2
    assert found["superior_p"] > 0.05
    assert found["better"] == []


def test_one_trial_has_no_overfitting_and_overlapping_days_count_once(run):
    series = {0: np.repeat(np.random.default_rng(0).normal(0.02, 0.1, DAYS // 5), 5)}
    leave(run, series, np.zeros(DAYS), horizon=5)
    found = significance(run, [0], [0], 0, 5)
    assert found["overfitting"] is None
    assert found["rank_icir_by_luck"] == 0.0
    assert len(found["apart_t"]) == 5
    sub = series[0][::5]
    assert found["rank_icir"] == pytest.approx(sub.mean() / sub.std(ddof=1))
    assert "PBO" not in told(found, 0, 5)


def test_files_that_cannot_be_read_are_not_counted(run):
    series = worthless(3)
    leave(run, series, np.zeros(DAYS))
    run.trial(1).daily_ic.write_bytes(b"ARROW1 but not really")
    run.trial(2).daily_ic.unlink()
    run.baselines().unlink()
    found = significance(run, [0, 1, 2], [0, 1, 2], 0, 1)
    assert found["trials"] == 1
    assert found["superior_p"] is None
    assert significance(run, [0, 1, 2], [0, 1, 2], 1, 1) == {}


def test_days_without_an_ic_are_left_out(run):
    series = worthless(2)
    series[0][::4] = np.nan
    leave(run, series, np.zeros(DAYS))
    found = significance(run, [0, 1], [0, 1], 0, 1)
    assert found["days"] == DAYS - DAYS // 4
    assert all(value is None or np.isfinite(value).all() for key, value in found.items()
               if key != "baseline")  # fmt: skip


def test_trials_that_collapsed_or_were_pruned_take_no_days_from_the_others(run):
    series = worthless(6)
    series[2] = series[2] + 0.06
    leave(run, series, np.zeros(DAYS))
    alone = significance(run, list(series), list(series), 2, 1)
    collapsed, pruned = np.full(DAYS, np.nan), np.full(DAYS, -0.2)
    leave(run, {6: collapsed, 7: pruned}, np.zeros(DAYS))
    found = significance(run, range(8), range(7), 2, 1)
    assert (found["trials"], found["compared"]) == (8, 6)
    for key in ("overfitting", "superior_p", "better"):
        assert found[key] == alone[key]
