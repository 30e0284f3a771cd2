"""The ring feed: its producers are small, mortal, and missed within seconds."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from data_panels import built, synthetic

from atft_core.config.schema import Config
from atft_core.data import ring
from atft_core.data.ring import RingFeed
from atft_core.errors import FeedError
from atft_core.train.loop import silent, train_epoch
from atft_core.train.setup import build_learner, equip, feed_of, make_setup

LOOKBACK = 10
SPANS = [range(first, first + 4) for first in range(40, 120, 4)]


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ring")
    return built(synthetic(directory, days=200), cache_dir=str(directory / "cache"))


@pytest.fixture
def feed(panel):
    made = RingFeed(panel, panel.market_TM, LOOKBACK, torch.device("cpu"), workers=2, prefetch=3)
    yield made
    made.close()


def producers():
    """Producers of this process that are alive."""
    children = psutil.Process().children()
    return [p for p in children if any("producer.py" in part for part in p.cmdline())]


def test_blocks_come_in_order_epoch_after_epoch_from_the_same_producers(panel, feed):
    pids = set()
    for _ in range(3):
        for days, block in zip(SPANS, feed.blocks(SPANS), strict=True):
            assert block.days == days
            first = days.start - LOOKBACK + 1
            seen = torch.from_numpy(panel.x_TNF[first : days.stop].copy()).view(torch.bfloat16)
            assert torch.equal(block.x_TNF, seen)
        pids |= {p.pid for p in producers()}
    assert len(pids) == 2
    feed.close()
    assert producers() == []


def test_blocks_of_different_sizes_and_epochs_left_early(feed):
    epoch = feed.blocks(SPANS)
    next(epoch), next(epoch)
    epoch.close()
    assert [b.days for b in feed.blocks([range(40, 140), range(50, 51)])] == [
        range(40, 140), range(50, 51),
    ]  # fmt: skip
    assert feed.block(range(60, 61)).days == range(60, 61)
    assert list(feed.blocks([])) == []


def test_producers_import_nothing_but_the_standard_library(feed):
    feed.block(SPANS[0])
    for process in producers():
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert not any(name in maps for name in ("torch", "numpy", "polars", "arrow"))


def test_a_killed_producer_is_named_at_once_and_nothing_stays(feed):
    epoch, began = feed.blocks(SPANS), time.monotonic()
    next(epoch)
    victim = producers()[0]
    victim.kill()
    with pytest.raises(FeedError, match=rf"producer {victim.pid} .* killed by signal 9"):
        list(epoch)
    assert time.monotonic() - began < 15
    assert producers() == []
    assert len(list(feed.blocks(SPANS))) == len(SPANS)  # and a new ring does the work


def test_a_hanging_producer_is_named_and_nothing_stays(feed, monkeypatch):
    monkeypatch.setattr(ring, "HUNG_SECONDS", 1.0)
    epoch = feed.blocks(SPANS)
    next(epoch)
    victim = producers()[0]
    os.kill(victim.pid, signal.SIGSTOP)
    with pytest.raises(FeedError, match=rf"producer {victim.pid} .* hangs: nothing for 1 s, state"):
        list(epoch)
    assert producers() == []


def test_a_file_that_ends_too_early_is_named(panel, tmp_path):
    short = tmp_path / "short.arrow"
    short.write_bytes(Path(panel.facts["cache"]).read_bytes()[: panel.x_offset + 1000])
    feed = RingFeed(panel, panel.market_TM, LOOKBACK, torch.device("cpu"))
    feed._path = str(short)
    with pytest.raises(FeedError, match=r"short\.arrow ends before byte \d+"):
        list(feed.blocks(SPANS))


def rings():
    """Processes that hold a ring's memory."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if "memfd:atft-ring" in str(link.readlink()):
                found.add(int(link.parts[2]))
    return found


WORKER = """
import sys, torch
from pathlib import Path
from atft_core.data.panel import open_panel
from atft_core.data.ring import RingFeed
panel = open_panel(Path(sys.argv[1]))
feed = RingFeed(panel, panel.market_TM, 10, torch.device("cpu"))
for block in feed.blocks([range(t, t + 4) for t in range(40, 120, 4)]):
    print("ready", flush=True)
    sys.stdin.read(1)
"""


def test_producers_and_memory_go_with_a_worker_that_is_killed(panel):
    command = [sys.executable, "-c", WORKER, panel.facts["cache"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"ready\n"
        children = psutil.Process(worker.pid).children()
        assert len(children) == 2
        children[0].suspend()  # it would never read the end of its input
        assert rings() >= {child.pid for child in children}
        worker.kill()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert not rings() & {worker.pid, *(child.pid for child in children)}


def test_blocks_asked_for_in_between_do_not_mix(feed):
    first = feed.blocks(SPANS)
    next(first)
    assert feed.block(range(100, 104)).days == range(100, 104)  # in a ring of its own
    with pytest.raises((FeedError, ValueError)):
        list(first)


def test_the_producers_of_an_epoch_serve_the_next(panel):
    config = Config.model_validate({
        "data": {"feed": "ring"}, "search": {}, "split": {"warmup": 40},
        "model": {"hidden": 8, "heads": 2, "lookback": LOOKBACK, "encoder_depth": 1},
        "train": {"block_days": 4, "device": "cpu"},
    })  # fmt: skip
    setup = make_setup(config, panel)
    served = feed_of(setup)
    learner, pids = equip(setup, build_learner(setup, 0)), []
    for epoch in (1, 2, 3):
        train_epoch(learner, served, setup.split.train, seed=0, epoch=epoch, tick=silent)
        pids.append({p.pid for p in producers()})
    served.close()
    assert pids[0] == pids[1] == pids[2] != set()
