"""What other loaders deliver from the same panel: whichever are installed, in the same run.

Shapes: T days, N stocks, F features, L lookback.

Windows per second of processor time, children included, each landed in an array of the consumer.
A step of atft takes a block of days, which contains the windows of 16 days ("ratio");
copied out one by one, as the others have to deliver them, it is "ratio_one_by_one".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from atft_core.data.feeds import MappedFeed
from atft_core.data.panel import Panel, open_panel

LOOKBACK = 60
BATCH = 1000
BLOCK_DAYS = 16
Windows = Generator[int, None, None]
"""Delivers windows for as long as it is asked; yields how many came each time."""


def peers(
    panel: Panel, scratch: Path, limit: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rates and ratios of all that are here."""
    one_by_one, as_blocks = (rate(_ours(panel, days), limit) for days in (1, BLOCK_DAYS))
    rows: list[dict[str, Any]] = [
        {"name": "atft mmap", "windows_per_cpu_s": round(as_blocks), "ratio": 1.0}
    ]
    for name, (needs, make) in PEERS.items():
        if not all(find_spec(module) for module in needs):
            rows.append({"name": name, "ratio": None, "why": f"{', '.join(needs)} not installed"})
            continue
        say(name)
        with closing(make(panel, scratch)) as windows:
            theirs = rate(windows, limit)
        rows.append(
            {
                "name": name,
                "windows_per_cpu_s": round(theirs, 1),
                "ratio": round(as_blocks / theirs, 1),
                "ratio_one_by_one": round(one_by_one / theirs, 1),
            }
        )
    return rows


def rate(windows: Windows, limit: float) -> float:
    """Windows per second of processor time over about `limit` seconds, the first batch left out."""
    next(windows)
    began, spent, count = time.monotonic(), _processor_seconds(), 0
    while time.monotonic() - began < limit:
        count += next(windows)
    return count / max(_processor_seconds() - spent, 1e-9)


def _processor_seconds() -> float:
    """Of this process and those that it started."""
    me = psutil.Process()
    times = [each.cpu_times() for each in (me, *me.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _ours(panel: Panel, block_days: int) -> Windows:
    days, stocks, _ = panel.x_TNF.shape
    feed = MappedFeed(panel, panel.market_TM, LOOKBACK, torch.device("cpu"))
    landed = torch.empty((LOOKBACK + block_days - 1, *panel.x_TNF.shape[1:]))
    random = np.random.default_rng(0)
    while True:
        starts = random.integers(LOOKBACK - 1, days - block_days, size=100)
        for block in feed.blocks([range(int(s), int(s) + block_days) for s in starts]):
            landed.copy_(block.x_TNF)
            yield stocks * block_days


class WindowDataset(Dataset[NDArray[np.float32]]):
    """A plain Dataset: one window of one stock per item, read from the mapped panel."""

    def __init__(self, cache: str, days: int, stocks: int) -> None:
        self.cache, self.days, self.stocks = cache, days, stocks
        self._panel: Panel | None = None

    def __len__(self) -> int:
        return (self.days - LOOKBACK) * self.stocks

    def __getitem__(self, i: int) -> NDArray[np.float32]:
        self._panel = self._panel or open_panel(Path(self.cache))
        day, stock = divmod(i, self.stocks)
        window_LF: NDArray[np.float32] = self._panel.x_TNF[day : day + LOOKBACK, stock].copy()
        return window_LF


def _dataset(workers: int) -> Callable[[Panel, Path], Windows]:
    def make(panel: Panel, scratch: Path) -> Windows:
        days, stocks, _ = panel.x_TNF.shape
        data = WindowDataset(panel.facts["cache"], days, stocks)
        context = "spawn" if workers else None
        loader = DataLoader(
            data, BATCH, shuffle=True, num_workers=workers, multiprocessing_context=context
        )
        while True:
            for batch in loader:
                yield len(batch)

    return make


def _frame(panel: Panel, stocks: int) -> Any:
    """The panel as a pandas table with a row per (day, stock)."""
    import pandas as pd

    days, features = len(panel.dates_T), len(panel.features)
    index = pd.MultiIndex.from_product(
        [pd.DatetimeIndex(panel.dates_T.astype("datetime64[ns]")), panel.codes[:stocks]],
        names=["datetime", "instrument"],
    )
    values = np.array(panel.x_TNF[:, :stocks]).reshape(days * stocks, features)
    return pd.DataFrame(values, index=index, columns=list(panel.features))


def _qlib(panel: Panel, scratch: Path) -> Windows:
    """Day lists, its fastest way."""
    from qlib.data.dataset import TSDataSampler

    frame = _frame(panel, panel.x_TNF.shape[1])
    first, last = frame.index[0][0], frame.index[-1][0]
    sampler = TSDataSampler(frame, first, last, step_len=LOOKBACK, fillna_type="none")
    stocks, random = panel.x_TNF.shape[1], np.random.default_rng(0)
    count = len(sampler)
    while True:
        start = int(random.integers(count - stocks))
        yield len(sampler[list(range(start, start + stocks))])


def _forecasting(panel: Panel, scratch: Path) -> Windows:
    """Its data loader without workers, on 200 of the stocks: it needs many times their memory."""
    from pytorch_forecasting import TimeSeriesDataSet

    frame = _frame(panel, 200).reset_index()
    frame["instrument"] = frame["instrument"].astype(str)
    frame["t"] = frame.groupby("instrument").cumcount()
    features = list(panel.features)
    data = TimeSeriesDataSet(
        frame, time_idx="t", target=features[0], group_ids=["instrument"],
        max_encoder_length=LOOKBACK, min_encoder_length=LOOKBACK, max_prediction_length=1,
        time_varying_unknown_reals=features, target_normalizer=None,
    )  # fmt: skip
    loader = data.to_dataloader(train=True, batch_size=BATCH, num_workers=0)
    while True:
        for x, _ in loader:
            yield len(x["encoder_cont"])


def _parquet(panel: Panel, scratch: Path) -> Windows:
    """The original read path at its best: a file per stock, decoded for every window."""
    import polars as pl

    directory = scratch / "per_stock"
    directory.mkdir()
    files = []
    for stock, code in enumerate(panel.codes[:20]):
        columns = np.array(panel.x_TNF[:, stock])
        path = directory / f"{code}.parquet"
        pl.DataFrame(columns, schema=list(panel.features)).write_parquet(path)
        files.append(path)
    random, days = np.random.default_rng(0), len(panel.dates_T)
    while True:
        path = files[int(random.integers(len(files)))]
        start = int(random.integers(days - LOOKBACK))
        window = pl.scan_parquet(path).slice(start, LOOKBACK).collect().to_numpy()
        yield int(len(window) == LOOKBACK)


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Panel, Path], Windows]]] = {
    "torch Dataset, 0 workers": (("torch",), _dataset(0)),
    "torch Dataset, 2 spawned workers": (("torch",), _dataset(2)),
    "qlib TSDataSampler, day lists": (("qlib", "pandas"), _qlib),
    "pytorch-forecasting TimeSeriesDataSet": (("pytorch_forecasting", "pandas"), _forecasting),
    "parquet decoded per window": (("polars",), _parquet),
}
