"""Panels larger than memory: built, and trained on, within limits that really bite."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from atft_core.bench.panels import whole_split
from atft_core.config.schema import Config
from atft_core.data.choose import make_feed
from atft_core.data.panel import open_panel
from atft_core.train.loop import predict_days, silent, train_epoch
from atft_core.train.setup import Setup, build_learner
torch.set_num_threads(1)
torch.zeros(9, 9).requires_grad_().sin().sum().backward()  # what torch makes at its first use
feed_name, cache, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
panel = open_panel(cache)
assert panel.x_TNF.nbytes > 4 * limit, (panel.x_TNF.nbytes, limit)
config = Config.model_validate({
    "data": {"feed": feed_name}, "label": {"horizons": [1]}, "search": {},
    "model": {"hidden": 8, "heads": 2, "lookback": 4, "encoder_depth": 1},
    "train": {"block_days": 2, "max_batches": 0, "device": "cpu", "threads": 1},
})
split = whole_split(len(panel.dates_T), 4)
setup = Setup(config, panel, split, torch.device("cpu"))
learner = build_learner(setup, 0)
feed = make_feed(panel, panel.market_TM, 4, setup.device, config.data)
report = train_epoch(learner, feed, split.train, seed=0, epoch=1, tick=silent)
assert np.isfinite(report.values["loss"]), report
scores = predict_days(learner, feed, split.train[:40], tick=silent, phase="validate")
assert np.isfinite(scores).all()
feed.close()
print(feed.name, report.delivered > panel.x_TNF.nbytes)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """3.2 GB, most of which was never written: it takes no disk, and memory when it is read."""
    from atft_core.bench.panels import random_panel

    path = tmp_path_factory.mktemp("large") / "panel.arrow"
    random_panel(path, 100, 4000, 2000)
    yield path
    path.unlink()


def trained(feed, large, limit):
    command = [sys.executable, "-c", TRAIN, feed, str(large), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "feed", ["mmap", "ring"] if os.environ.get("DRILLS") == "all" else ["ring"]
)
def test_a_panel_four_times_the_memory_limit_is_trained_on(large, feed):
    done = trained(feed, large, 700 * 2**20)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == f"{feed} True\n"


def test_a_panel_that_has_to_be_in_memory_and_cannot_is_refused_by_name(large):
    done = trained("resident", large, 700 * 2**20)
    assert done.returncode != 0
    assert "The panel needs 3.0 GiB on cpu, " in done.stderr
    assert "Use data.feed = auto" in done.stderr


BUILD = """
import re, sys, threading, time
from pathlib import Path
from atft_core.config.schema import Config
from atft_core.data.build import ensure_cache
def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, anonymous())
        time.sleep(0.005)
config = Config.model_validate(eval(sys.argv[1]))
threading.Thread(target=watch, daemon=True).start()
ensure_cache(config)
print(peak)
"""


def peak_of_build(data):
    command = [sys.executable, "-c", BUILD, repr({"data": data})]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_building_holds_less_than_three_quarters_of_the_panel(tmp_path):
    """Ready features, measured on a gigabyte."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    days, stocks, features = 1000, 2000, 130
    rng = np.random.default_rng(0)
    dates = np.busday_offset("2015-01-05", np.arange(days), roll="forward")
    names = [f"f{i}" for i in range(features)]
    writer = None
    for start in range(0, days, 100):
        n = 100 * stocks
        columns = {"date": np.repeat(dates[start : start + 100], stocks),
                   "code": np.tile([f"S{i:04d}" for i in range(stocks)], 100),
                   **{name: rng.standard_normal(n, dtype=np.float32) for name in names},
                   "y": rng.standard_normal(n, dtype=np.float32)}  # fmt: skip
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(tmp_path / "panel.parquet", table.schema)
        writer.write_table(table)
    writer.close()
    size = days * stocks * features * 4
    assert size > 10**9
    targets = dict.fromkeys((1, 5, 10, 20), "y")
    data = {"path": str(tmp_path / "panel.parquet"), "features": names, "targets": targets,
            "cache_dir": str(tmp_path / "cache")}  # fmt: skip
    assert peak_of_build(data) < 0.75 * size
