"""The step at full scale on a box with CUDA: one script, one JSON, under eight minutes.

    python benchmarks/gpu.py --out gpu.json

Needs torch, numpy, pyarrow, pydantic and, for the utilisation, pynvml; no polars. A panel of
4,000 stocks x 2,500 days x 395 features lies on the device in bfloat16. Each setting trains some
blocks of an epoch and validates some days; seconds per epoch are those times the number of blocks.
Without CUDA the sizes are tiny: it then only shows that the script works.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atft_core.bench.machine import machine
from atft_core.bench.step import StepSizes, errors
from atft_core.config.schema import Config
from atft_core.data.panel import Panel
from atft_core.data.stored import to_bits
from atft_core.train.compiled import Compiled, compile_step
from atft_core.train.flops import step_flops
from atft_core.train.loop import (
    blocks_of_epoch,
    middle_block,
    predict_days,
    silent,
    train_epoch,
)
from atft_core.train.setup import Setup, build_learner, equip, feed_of, make_setup

BUDGET = 420.0
"""Seconds after which nothing more is compiled, and no further setting is begun."""
MEASURED_SECONDS = 4.0
HORIZONS = (1, 5, 10, 20)
TILE = 50


@dataclass(frozen=True)
class Sizes:
    """What is measured."""

    stocks: int
    days: int
    features: int
    lookback: int
    hidden: tuple[int, ...]
    blocks: tuple[int, ...]
    neighbours: int = 8


FULL = Sizes(4000, 2500, 395, 60, (128, 64, 256), (16, 32, 8, 1))
TINY = Sizes(60, 200, 12, 10, (16,), (8, 4))


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes although there is a GPU")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    sizes = FULL if on_gpu and not args.tiny else TINY
    found = measure(sizes, compile_it=on_gpu and not args.no_compile)
    text = json.dumps(found, indent=1, allow_nan=False)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


def measure(sizes: Sizes, *, compile_it: bool) -> dict[str, Any]:
    """Everything, as JSON."""
    began = time.perf_counter()
    small = StepSizes(
        features=sizes.features, lookback=sizes.lookback, hidden=sizes.hidden[0], blocks=(8,)
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found: dict[str, Any] = {"machine": machine(), "sizes": asdict(sizes)}
    found["errors"] = errors(small, device)
    panel = full_panel(sizes)
    found["panel_bytes"] = panel.x_TNF.nbytes
    found["settings"] = []
    for hidden in sizes.hidden:
        for block in sizes.blocks:
            spent = time.perf_counter() - began
            if spent > BUDGET and found["settings"]:
                found["settings"].append({"hidden": hidden, "B": block, "skipped": "out of time"})
                continue
            try:
                row = measure_setting(panel, hidden, block, sizes, compile_it=compile_it)
            except Exception as error:  # noqa: BLE001 -- the other settings are still of use
                failed = f"{type(error).__name__}: {error}"
                row = {"hidden": hidden, "B": block, "failed": failed}
            found["settings"].append(row)
    found["parquet_per_window"] = parquet_per_window(sizes)
    found["seconds"] = round(time.perf_counter() - began, 1)
    return found


def full_panel(sizes: Sizes) -> Panel:
    """Random features (days repeat), labels and graphs, in the memory of the host."""
    random = np.random.default_rng(0)
    days, stocks = sizes.days, sizes.stocks
    tile = to_bits(random.standard_normal((TILE, stocks, sizes.features), dtype=np.float32))
    x_TNF = np.concatenate([tile] * (days // TILE))
    y_TNH = random.standard_normal((days, stocks, len(HORIZONS)), dtype=np.float32) * 0.02
    valid_TN = random.random((days, stocks)) > 0.1
    y_TNH[~valid_TN] = np.nan
    rank_TNH = np.nan_to_num(y_TNH / np.float32(0.02))
    graphs = random.integers(-1, stocks, (days // 20, stocks, sizes.neighbours)).astype(np.int32)
    return Panel(
        dates_T=np.busday_offset("2010-01-04", np.arange(days), roll="forward"),
        codes=tuple(f"S{i:05d}" for i in range(stocks)),
        features=tuple(f"f{i}" for i in range(sizes.features)),
        groups=tuple(f"g{i % 16}" for i in range(sizes.features)),
        horizons=HORIZONS,
        valid_TN=valid_TN,
        market_TM=random.standard_normal((days, 6), dtype=np.float32),
        market_names=tuple(f"m{i}" for i in range(6)),
        neighbour_days_R=np.arange(0, len(graphs) * 20, 20),
        neighbours_RNK=graphs,
        sector_N=np.arange(stocks) % 33,
        sectors=tuple(f"s{i}" for i in range(33)),
        edges_NE=np.empty((stocks, 0), np.int32),
        edge_weights_NE=np.empty((stocks, 0), np.float32),
        x_TNF=x_TNF,
        y_TNH=y_TNH,
        rank_TNH=rank_TNH,
        gauss_TNH=rank_TNH,
        facts={"cache": "", "days": days},
    )


def measure_setting(
    panel: Panel, hidden: int, block: int, sizes: Sizes, *, compile_it: bool
) -> dict[str, Any]:
    """One width and one block size."""
    torch.compiler.reset()  # what was compiled for other sizes counts against a limit
    setup = make_setup(_config(hidden, block, sizes), panel)
    if setup.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with closing(feed_of(setup)) as feed:
        learner = equip(setup, build_learner(setup, trial=0))
        example = feed.block(middle_block(setup.split.train, block))
        flops = step_flops(learner.model, example)
        made = compile_step(learner, feed, setup.split) if compile_it else Compiled("off")
        row: dict[str, Any] = {
            "hidden": hidden, "B": block, "feed": feed.name, "compile": made.state,
            "compile_seconds": round(made.seconds, 1),
        }  # fmt: skip
        with sampled() as utilisation:
            row |= _train(setup, feed, learner, flops)
            row |= _validate(setup, feed, learner)
    row["epoch_seconds"] = round(row["train_seconds"] + row["validation_seconds"], 3)
    row["utilisation"] = _percentiles(utilisation)
    if setup.device.type == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_allocated()
    return row


def _config(hidden: int, block: int, sizes: Sizes) -> Config:
    return Config.model_validate(
        {
            "data": {"neighbours": sizes.neighbours},
            "split": {"warmup": sizes.lookback},
            "model": {
                "hidden": hidden,
                "lookback": sizes.lookback,
                "messages": ["neighbours"],
            },
            "train": {"block_days": block, "max_epochs": 100},
            "search": {},
        }
    )


def _train(setup: Setup, feed: Any, learner: Any, flops: int) -> dict[str, Any]:
    """Some blocks of an epoch, enough for some seconds."""
    blocks, available = blocks_of_epoch(learner, setup.split.train, seed=0, epoch=1)

    def run(count: int, epoch: int) -> Any:
        limited = learner.train.model_copy(update={"max_batches": count})
        learner.train, kept = limited, learner.train
        report = train_epoch(learner, feed, setup.split.train, seed=0, epoch=epoch, tick=silent)
        learner.train = kept
        return report

    warm = run(min(4, len(blocks)), 1)  # allocations, kept statistics
    per_block = max((warm.wait + warm.compute) / warm.batches, 1e-6)
    report = run(max(1, min(len(blocks), int(MEASURED_SECONDS / per_block))), 2)
    seconds = report.wait + report.compute
    return {
        "blocks_timed": report.batches,
        "blocks": available,
        "train_seconds": seconds / report.batches * available,
        "windows_per_s": report.windows / seconds,
        "tflop_per_s": flops * report.batches / seconds / 1e12,
        "gb_per_s": report.delivered / seconds / 1e9,
        "stall_share": report.wait / seconds,
        "parts": {name: part / report.batches for name, part in report.parts.items()},
    }


def _validate(setup: Setup, feed: Any, learner: Any) -> dict[str, Any]:
    days = setup.split.val
    some = days[: min(len(days), 4 * learner.eval_days)]
    predict_days(learner, feed, some, tick=silent, phase="validate")
    began = time.perf_counter()
    predict_days(learner, feed, some, tick=silent, phase="validate")
    spent = time.perf_counter() - began
    return {"validation_seconds": spent / len(some) * len(days), "validation_days": len(days)}


@contextmanager
def sampled() -> Iterator[list[float]]:
    """Utilisation of the first GPU, 20 times a second; empty without NVML."""
    samples: list[float] = []
    over = threading.Event()

    def watch() -> None:
        import pynvml

        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            while not over.wait(0.05):
                samples.append(float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))

    thread = threading.Thread(target=watch, daemon=True)
    if torch.cuda.is_available() and find_spec("pynvml") is not None:
        thread.start()
    try:
        yield samples
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def _percentiles(samples: list[float]) -> dict[str, float] | None:
    if len(samples) < 10:
        return None
    tenths = statistics.quantiles(samples, n=10)
    return {"n": len(samples), "p10": tenths[0], "p50": tenths[4], "p90": tenths[8]}


def parquet_per_window(sizes: Sizes) -> dict[str, Any]:
    """The original read path: a file per stock, its row groups decoded for every window."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    values = random.standard_normal((sizes.days, sizes.features), dtype=np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "stock.parquet"
        columns = {f"f{i}": values[:, i] for i in range(sizes.features)}
        pq.write_table(pa.table(columns), path, row_group_size=500)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < MEASURED_SECONDS:
            start = int(random.integers(sizes.days - sizes.lookback))
            file = pq.ParquetFile(path)
            groups = sorted({start // 500, (start + sizes.lookback - 1) // 500})
            groups = [group for group in groups if group < file.num_row_groups]
            window = file.read_row_groups(groups).slice(start - groups[0] * 500, sizes.lookback)
            np.stack([window[name].to_numpy() for name in window.column_names], axis=1)
            count += 1
        rate = count / (time.perf_counter() - began)
    windows = sizes.stocks * (sizes.days - sizes.lookback)
    return {"windows_per_s": rate, "epoch_seconds": windows / rate}


if __name__ == "__main__":
    main()
