"""The synthetic panel: deterministic, plausible, with a signal that can be switched off."""

import numpy as np
import polars as pl
import pytest
from data_panels import built, config_for

from atft_core.config.split import SplitConfig
from atft_core.cross_section import ranked_targets
from atft_core.data.splits import make_split
from atft_core.data.synthetic import write_panel
from atft_core.errors import DataError, UsageError
from atft_core.objective.metrics import daily_metrics, summarise


def validation(directory, **options):
    """Validation metrics of a ridge regression on the features of the day."""
    path = directory / "panel.parquet"
    write_panel(path, **options)
    panel = built(path, cache_dir=str(directory))
    split = make_split(panel.dates_T, SplitConfig(), 20, 20)
    x = panel.float_features(range(len(panel.dates_T))).astype(np.float64)
    rank, _ = ranked_targets(panel.y_TNH, panel.valid_TN)
    known = panel.valid_TN[..., None] & np.isfinite(panel.y_TNH)
    train, val = (slice(part.start, part.stop) for part in (split.train, split.val))
    scores = np.zeros(panel.y_TNH.shape)
    for h in range(4):
        x_train, y_train = x[train][known[train][..., h]], rank[train][known[train][..., h], h]
        penalty = 2000 * np.eye(x.shape[2])
        scores[..., h] = x @ np.linalg.solve(x_train.T @ x_train + penalty, x_train.T @ y_train)
    daily = daily_metrics(scores[val], panel.y_TNH[val], panel.valid_TN[val])
    return summarise(daily, panel.horizons)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Validation metrics with the signal, for three seeds."""
    return [validation(tmp_path_factory.mktemp("planted"), seed=seed) for seed in range(3)]


def test_a_ridge_finds_the_planted_signal_whatever_the_seed(planted):
    for found in planted:
        assert 0.08 < found["1"]["rank_ic"] < 0.2
        assert found["1"]["rank_ic_t"] > 6


def test_the_long_horizons_carry_some_of_it(planted):
    for horizon in ("5", "10", "20"):
        assert np.mean([found[horizon]["rank_ic"] for found in planted]) > 0.03


@pytest.mark.parametrize("seed", range(5))
def test_without_signal_nothing_is_found(tmp_path, seed):
    found = validation(tmp_path, seed=seed, signal=0.0)
    assert abs(found["1"]["rank_ic_t"]) < 3


def test_the_seed_decides_everything(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_panel(tmp_path / name / "panel.parquet", stocks=20, days=60, seed=seed)
    frames = [pl.read_parquet(tmp_path / name / "panel.parquet") for name in "abc"]
    sectors = [pl.read_parquet(tmp_path / name / "sector.parquet") for name in "abc"]
    assert frames[0].equals(frames[1])
    assert sectors[0].equals(sectors[1])
    assert not frames[0].equals(frames[2])


def test_bars_are_plausible_and_on_weekdays(tmp_path):
    write_panel(tmp_path / "panel.parquet", stocks=80, days=300)
    frame = pl.read_parquet(tmp_path / "panel.parquet")
    assert frame["date"].dt.weekday().max() <= 5
    assert frame["date"].n_unique() == 300
    assert not frame.select("date", "code").is_duplicated().any()
    ends = pl.max_horizontal("open", "close"), pl.min_horizontal("open", "close")
    assert frame.select((pl.col("high") >= ends[0]) & (pl.col("low") <= ends[1])).to_series().all()
    assert frame.select(pl.col("open", "low", "volume").min() > 0).row(0) == (True,) * 3
    life = frame.group_by("code").agg(pl.col("date").min().alias("first"), pl.len())
    assert life["first"].n_unique() > 3  # late listings
    assert 0.9 < len(frame) / (80 * 300) < 1
    sectors = pl.read_parquet(tmp_path / "sector.parquet")
    assert len(sectors) == 80
    assert sectors["sector"].n_unique() == 8


def test_returns_have_fat_tails_and_no_look_of_a_bad_print(tmp_path):
    write_panel(tmp_path / "panel.parquet", stocks=80, days=300)
    config = config_for(tmp_path / "panel.parquet")
    close = pl.read_parquet(tmp_path / "panel.parquet").with_columns(
        r=(pl.col("close") / pl.col("close").shift(1) - 1).over("code", order_by="date")
    )
    r = close["r"].drop_nulls().to_numpy()
    assert np.mean(((r - r.mean()) / r.std()) ** 4) > 4
    assert np.abs(r).max() < config.data.max_abs_return


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UsageError, match="too small"):
        write_panel(tmp_path / "panel.parquet", stocks=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_panel(tmp_path / "file" / "panel.parquet", stocks=10, days=30)


def test_the_sectors_of_another_panel_are_left_alone(tmp_path):
    write_panel(tmp_path / "a.parquet", stocks=20, days=60, seed=1)
    before = (tmp_path / "sector.parquet").read_bytes()
    with pytest.raises(UsageError, match="another panel"):
        write_panel(tmp_path / "b.parquet", stocks=20, days=60, seed=2)
    assert (tmp_path / "sector.parquet").read_bytes() == before
    assert not (tmp_path / "b.parquet").exists()
    write_panel(tmp_path / "c.parquet", stocks=20, days=60, seed=1)
