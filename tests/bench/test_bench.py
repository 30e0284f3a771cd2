"""The benchmarks run, small, and what they report has the documented shape."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from atft_core.bench.feed import FeedSizes, bench_feed
from atft_core.bench.ranks import pairwise_ranks
from atft_core.bench.step import PARTS, StepSizes, bench_step, shares
from atft_core.bench.timing import paired
from atft_core.objective.ranks import soft_ranks

ROOT = Path(__file__).resolve().parents[2]


def quiet(text):
    pass


def test_pairs_are_timed_in_turn_and_the_first_does_not_count():
    calls = []
    pair = paired(lambda: calls.append("base"), lambda: calls.append("ours"), 3)
    assert calls == ["base", "ours"] * 4
    assert pair.spread[0] <= pair.ratio <= pair.spread[1]


@pytest.mark.slow
def test_step_reports_ratios_errors_and_shares():
    sizes = StepSizes(24, 6, 8, 16, (2, 4), 6, 2)
    found = bench_step(sizes, quiet)
    json.dumps(found, allow_nan=False)
    assert found["max_output_error"] < 1e-5
    assert found["max_gradient_error"] < 1e-4
    keys = {"B", "part", "graph", "ratio", "ideal", "N", "F", "L", "hidden", "dtype", "spread"}
    assert all(set(row) == keys for row in found["block"])
    assert {row["part"] for row in found["block"] if row["graph"]} == {
        name + kind
        for name, config in PARTS.items() if config.graph
        for kind in ("", ", first epoch", ", validation")
    }  # fmt: skip
    assert {row["term"] for row in found["rank_loss"]} == {"spearman", "rank_ic", "cs_ic"}
    spearman = [row for row in found["rank_loss"] if row["term"] == "spearman"]
    assert all(row["gradient_cosine"] > 0.99 for row in spearman)


def test_the_shares_of_a_step_add_up():
    found = shares(StepSizes(24, 6, 8, 16, pairs=2), 4)
    assert set(found) >= {"select", "encode", "statistics", "time", "kernel", "head"}
    assert sum(found.values()) == pytest.approx(1, abs=0.01)


@pytest.mark.slow
def test_feed_reports_the_grid_the_ring_the_peers_and_the_memory():
    sizes = FeedSizes(40, 300, (4,), (6,), 4, 5, 2, 0.3)
    found = bench_feed(sizes, quiet)
    json.dumps(found, allow_nan=False)
    assert found["copy_gb_per_cpu_s"] > 0
    assert [(row["feed"], row["F"], row["L"]) for row in found["grid"]] == [
        ("resident", 4, 6), ("mmap", 4, 6),
    ]  # fmt: skip
    assert all(row["fraction_of_copy"] > 0 for row in found["grid"])
    names = [row["name"] for row in found["peers"]]
    assert names[0] == "atft mmap"
    assert "parquet decoded per window" in names
    # On a panel this small a ratio may round to 0.
    assert all(row["ratio"] is not None or row["why"] for row in found["peers"])
    assert found["ring"]["ratio"] > 0
    assert found["memory"]["processes"] == 4


@pytest.mark.slow
def test_the_command_keeps_the_result_and_refuses_nonsense(tmp_path):
    command = [sys.executable, "-m", "atft_core", "bench", "engine", "--trials", "2", "--epochs",
               "2", "--study-trials", "2", "--empty-trials", "2",
               "--out", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "events folded" in done.stdout
    found = json.loads((tmp_path / "engine.json").read_text())
    assert found["sizes"]["trials"] == found["study"]["trials"] == 2
    assert found["events"]["count"] > 5
    assert found["supervision"]["ratio"] > 0
    assert 0 <= found["supervision"]["watching_cpu_share"] < 1
    command[-1] = "/proc/self"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "/proc/self cannot be written to" in done.stderr
    command[4:] = ["nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "One of feed, step, console, engine" in done.stderr


@pytest.mark.slow
def test_console_reports_what_it_sends_and_needs_beside_a_plain_app():
    small = ["--seconds", "2", "--trials", "3", "--log-lines", "200", "--many-trials", "30",
             "--points", "40", "--keys", "2", "--starts", "1"]  # fmt: skip
    command = [sys.executable, "-m", "atft_core.bench", "console", *small]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [(row["columns"], row["rows"]) for row in found["live"]] == [(200, 50), (80, 24)]
    for row in found["live"]:
        assert 0 < row["bytes_per_s"] < row["peer_bytes_per_s"]
        assert row["rss_mb"] > 10
    assert found["first_frame"]["ratio"] > 0
    assert 0 <= found["key"]["median_ms"] <= found["key"]["p95_ms"]
    assert found["attach"]["trials"] == 30


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("DRILLS") != "all", reason="two minutes; with DRILLS=all")
@pytest.mark.parametrize(
    ("script", "options", "names"),
    [
        ("ranking.py", ["--config", "objective/rank", "--seeds", "0", "1", "--set",
                        "train.max_epochs=1", "--set", "model.hidden=16"],
         ["reversal", "momentum", "ridge", "lightgbm", "lightgbm + lags", "seed 0", "seed 1",
          "seeds", "seeds + lightgbm"]),
        ("block_size.py", ["--epochs", "1", "--blocks", "8"], [8, 8, 8]),
    ],
)  # fmt: skip
def test_the_scripts_behind_the_documents_run(tmp_path, script, options, names):
    panel, out = tmp_path / "panel.parquet", tmp_path / "rows.jsonl"
    synth = ["-m", "atft_core", "synth", panel, "--stocks", "40", "--days", "300"]
    subprocess.run([sys.executable, *synth], check=True, capture_output=True)
    command = [sys.executable, ROOT / "benchmarks" / script, "--data-path", panel, "--out", out]
    own_cache = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, env=own_cache
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row.get("model", row.get("block")) for row in rows] == names


def test_the_script_for_a_gpu_box_runs_small_on_the_cpu(tmp_path):
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    gpu = importlib.util.module_from_spec(spec)
    sys.modules["gpu"] = gpu  # dataclasses look themselves up there
    spec.loader.exec_module(gpu)
    gpu.MEASURED_SECONDS = 0.2
    found = gpu.measure(gpu.TINY, compile_it=False)
    json.dumps(found, allow_nan=False)
    assert found["errors"]["max_output_error"] < 1e-5
    assert [(row["hidden"], row["B"]) for row in found["settings"]] == [(16, 8), (16, 4)]
    keys = {"train_seconds", "validation_seconds", "epoch_seconds", "windows_per_s",
            "tflop_per_s", "gb_per_s", "stall_share", "utilisation", "feed", "compile"}  # fmt: skip
    assert all(keys <= set(row) for row in found["settings"])
    assert found["parquet_per_window"]["windows_per_s"] > 0


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "two groups", "ties", "skewed"])
def test_soft_ranks_and_their_gradients_are_those_of_the_pairwise_form(kind):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(3, 400, generator=random, dtype=torch.float64)
    x = {
        "normal": x,
        "heavy tails": x**3,
        "two groups": x + 5.0 * (x > 0),
        "ties": (x * 3).round(),
        "skewed": x.exp(),
    }[kind]
    mask = torch.rand(3, 400, generator=random) > 0.2
    target = torch.randn(3, 400, generator=random, dtype=torch.float64)
    found = []
    for ranks in (soft_ranks, pairwise_ranks):
        leaf = x.clone().requires_grad_()
        value = ranks(leaf, mask)
        (gradient,) = torch.autograd.grad((value * target * mask).sum(), leaf)
        found.append((value.detach()[mask], gradient.ravel()))
    assert (found[0][0] - found[1][0]).abs().max() < 0.03
    assert torch.cosine_similarity(found[0][1], found[1][1], dim=0) > 0.97
