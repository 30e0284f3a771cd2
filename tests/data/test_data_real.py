"""Both real panels by changing only the path, where they are present."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data_panels import built, config_for

from atft_core.config.split import SplitConfig
from atft_core.data.build import check_panel
from atft_core.data.labels import future_return
from atft_core.data.splits import make_split
from atft_core.objective.metrics import daily_metrics

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
PUBLISHED = {  # stocks, days, mean daily RankIC of 1-day reversal at 1 day, 5-day at 5 days
    "rsr_nasdaq": (1026, 1274, 0.0301, 0.0219),
    "sp500_yahoo": (482, 1259, 0.0163, 0.0096),
}

pytestmark = pytest.mark.slow


@pytest.fixture(params=PUBLISHED)
def real(request):
    path = REAL / request.param / "panel.parquet"
    if not path.is_file():
        pytest.skip(f"the real panel {path} is not here")
    return request.param, path


def test_a_real_panel_builds_and_reversal_earns_what_is_known(real):
    name, path = real
    stocks, days, one, five = PUBLISHED[name]
    panel = built(path)
    assert panel.valid_TN.shape == (days, stocks)
    x = panel.float_features(range(days))
    assert np.isfinite(x).all()
    for feature, h, expected in (("r1", 0, one), ("r5", 1, five)):
        scores = -x[..., [panel.features.index(feature)]]
        daily = daily_metrics(scores, panel.y_TNH[..., [h]], panel.valid_TN)
        assert np.nanmean(daily.rank_ic_DH) == pytest.approx(expected, abs=2e-4)
    make_split(panel.dates_T, SplitConfig(), 20, 20)


def test_labels_of_a_real_panel_equal_the_closes_of_the_file(real):
    _, path = real
    panel = built(path, extreme_label_policy="keep")
    wide = pl.read_parquet(path).pivot(on="code", index="date", values="close").sort("date")
    close = wide.select(panel.codes).cast(pl.Float64).to_numpy()
    np.testing.assert_array_equal(panel.dates_T, wide["date"].to_numpy())
    for h, horizon in enumerate(panel.horizons):
        plain = close[horizon:] / close[:-horizon] - 1
        np.testing.assert_allclose(panel.y_TNH[:-horizon, :, h], plain, rtol=1e-6, atol=1e-7)
        expected = future_return(close, horizon, 0)
        np.testing.assert_allclose(panel.y_TNH[..., h], expected, rtol=1e-6, atol=1e-7)


def test_a_real_panel_has_warnings_and_no_errors(real):
    _, path = real
    findings = check_panel(config_for(path))
    rules = {f.rule for f in findings}
    assert all(f.severity == "warning" for f in findings)
    assert {"extreme_return", "gap", "bar_order", "unknown_sector"} <= rules
    assert "leak_suspicion" not in rules
