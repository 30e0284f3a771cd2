"""What `atft data info` shows."""

import json

from data_panels import config_for, rows, synthetic, written

from atft_core.data.describe import describe
from atft_core.data.features import FEATURES


def test_a_panel_is_described_with_split_labels_and_documented_features(tmp_path):
    path = synthetic(tmp_path, days=300)
    found = describe(config_for(path))
    json.dumps(found)
    assert (found["stocks"], found["days"], found["stored"]) == (40, 300, "bfloat16")
    assert [part["part"] for part in found["split"]] == ["train", "val", "holdout"]
    assert found["split"][0]["days"] == 300 * 0.6 - 60 - 20
    assert [entry["horizon"] for entry in found["labels"]] == [1, 5, 10, 20]
    assert [entry["name"] for entry in found["features"]] == [f.name for f in FEATURES]
    first = found["features"][0]
    assert first["doc"] == FEATURES[0].doc
    assert 0.98 < first["coverage"] < 1
    assert any("missing inside" in warning for warning in found["warnings"])


def test_a_panel_too_short_for_its_split_is_described_all_the_same(tmp_path):
    path = written(tmp_path, rows())
    found = describe(config_for(path, label={"horizons": (1, 5)}))
    assert found["days"] == 60
    assert "too few for the split" in found["split"]
