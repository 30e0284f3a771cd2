"""The graph finds who moves together, from the past only."""

import numpy as np
import polars as pl
from data_panels import built, synthetic

from atft_core.data.neighbours import most_correlated, trailing_neighbours


def pairs(days=200, stocks=10, seed=0):
    """Stocks 2i and 2i+1 move together."""
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.normal(size=(days, stocks // 2)), 2, axis=1)
    return 0.01 * (common + 0.5 * rng.normal(size=(days, stocks)))


def test_the_best_neighbour_is_the_planted_partner():
    days, graphs = trailing_neighbours(pairs(), 3, window=60, refresh=20)
    np.testing.assert_array_equal(days, np.arange(60, 200, 20))
    partner = np.arange(10) ^ 1
    assert (graphs[..., 0] == partner).all()
    assert (graphs != np.arange(10)[:, None]).all()  # nobody is its own neighbour


def test_neighbours_are_sorted_by_correlation():
    returns = pairs(seed=3)[:60]
    correlation = np.corrcoef(returns.T)
    found = most_correlated(returns, 4)
    for n in range(10):
        values = correlation[n, found[n]]
        assert (np.diff(values) <= 1e-12).all()
        others = np.delete(correlation[n], [n, *found[n]])
        assert values[-1] >= others.max()


def test_a_graph_does_not_change_when_the_future_does():
    returns = pairs()
    days, graphs = trailing_neighbours(returns, 3, window=60, refresh=20)
    changed = returns.copy()
    changed[101:] = pairs(seed=9)[101:, ::-1]
    _, others = trailing_neighbours(changed, 3, window=60, refresh=20)
    past = days <= 100
    np.testing.assert_array_equal(others[past], graphs[past])
    assert (others[~past] != graphs[~past]).any()


def test_a_stock_with_too_little_history_has_none_and_is_none():
    returns = pairs()
    returns[:150, 4] = np.nan
    days, graphs = trailing_neighbours(returns, 3, window=60, refresh=20)
    early = days < 190
    assert (graphs[early][:, 4] == -1).all()
    assert (graphs[early] != 4).all()
    assert (graphs[:, 5] >= 0).all()


def test_more_neighbours_than_stocks_are_padded():
    found = most_correlated(pairs(days=60, stocks=4), 8)
    assert (found[:, :3] >= 0).all()
    assert (found[:, 3:] == -1).all()
    alone = np.full((60, 4), np.nan)
    alone[:, 0] = pairs(days=60)[:, 0]
    assert (most_correlated(alone, 2) == -1).all()


def test_the_stored_graph_names_the_same_stocks_when_later_rows_are_deleted(tmp_path):
    path = synthetic(tmp_path, stocks=50, days=220)
    window = {"neighbour_window": 30, "neighbour_refresh": 10}
    whole = built(path, **window)
    day = whole.dates_T[85].item()
    pl.read_parquet(path).filter(pl.col("date") <= day).write_parquet(path)
    cut = built(path, **window)
    assert len(cut.codes) < len(whole.codes)

    def names(panel, graph):
        return {
            code: [panel.codes[m] for m in graph[n] if m >= 0] for n, code in enumerate(panel.codes)
        }

    assert len(cut.neighbour_days_R) > 2
    for r in range(len(cut.neighbour_days_R)):
        before, after = names(whole, whole.neighbours_RNK[r]), names(cut, cut.neighbours_RNK[r])
        assert all(before[code] == after[code] for code in cut.codes)


def test_no_neighbours_when_none_are_wanted(tmp_path):
    panel = built(synthetic(tmp_path, days=100), neighbours=0)
    assert panel.neighbours_RNK.shape == (0, 40, 0)
    assert panel.neighbour_days_R.size == 0
