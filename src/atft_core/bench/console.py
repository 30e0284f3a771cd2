"""What the console sends and needs: an SSH line is slow, and shared.

Everything is measured through a real pseudo-terminal, against a plain Textual app with as many
panes (`python -m atft_tui.peer`) in the same run.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atft_core.bench.machine import machine
from atft_core.bench.runs import LiveRun, live_run, long_run
from atft_core.bench.screen import Screen, Used, opened
from atft_core.launch import program
from atft_core.run import snapshot
from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory
from atft_core.run.status import load

READY = b"Checklist"
"""What is on the screen once everything is drawn."""
SIZES = ((200, 50), (80, 24))
SETTLE = 4.0
"""Seconds in which the rest is drawn, and history fills."""
BURST_LINES = 1000
"""Lines a second that a log can grow by."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class ConsoleSizes:
    """What is measured."""

    seconds: float = 15.0
    trials: int = 100
    epochs: int = 10
    log_lines: int = 100_000
    many_trials: int = 10_000
    points: int = 10_000
    keys: int = 30
    starts: int = 5


def bench_console(sizes: ConsoleSizes, say: Say) -> dict[str, Any]:
    """All measurements, as JSON."""
    with TemporaryDirectory(prefix="atft-bench-") as scratch:
        folder = Path(scratch)
        return {
            "machine": machine(),
            "sizes": vars(sizes),
            "live": [_live(folder, columns, rows, sizes, say) for columns, rows in SIZES],
            "first_frame": _first_frame(folder, sizes, say),
            "key": _key(folder, sizes, say),
            "attach": _attach(folder, sizes, say),
        }


def _console(run: RunDirectory) -> list[str]:
    return program("atft_tui", run.path)


def _peer(*options: str) -> list[str]:
    return program("atft_tui.peer", *options)


# Bytes and processor time while all panes change once a second, while nothing is heard of the run
# (its clock and the machine's load still change), and when it has ended.


def _live(folder: Path, columns: int, rows: int, sizes: ConsoleSizes, say: Say) -> dict[str, Any]:
    name = f"{columns}x{rows}"
    say(f"{name}: a plain Textual app, once a second")
    with opened(_peer(), columns, rows) as screen:
        screen.until(READY)
        peer = _settled(screen, lambda: screen.used(sizes.seconds))
    path = folder / "output" / name
    with live_run(path, sizes.trials, sizes.epochs) as live:
        live.log(*("Epoch 1 of an earlier trial took 14.0 s" for _ in range(sizes.log_lines)))
        with opened(_console(live.run), columns, rows) as screen:
            screen.until(READY)
            say(f"{name}: the console, once a second")
            ours = _settled(screen, lambda: _ticking(live, screen, sizes.seconds))
            say(f"{name}: the same, and {BURST_LINES} log lines a second")
            burst = _ticking(live, screen, sizes.seconds, lines=BURST_LINES)
            memory = screen.memory()
            say(f"{name}: the run goes on, but nothing is heard of it")
            silent = _settled(screen, lambda: screen.used(sizes.seconds))
        live.end()
    with opened(_console(live.run), columns, rows) as screen:
        say(f"{name}: the run has ended")
        screen.until(READY)
        idle = _settled(screen, lambda: screen.used(sizes.seconds))
    return {
        "columns": columns,
        "rows": rows,
        "bytes_per_s": round(ours.bytes_per_s),
        "peer_bytes_per_s": round(peer.bytes_per_s),
        "burst_adds_bytes_per_s": round(burst.bytes_per_s - ours.bytes_per_s),
        "processor_share": round(ours.processor, 4),
        "peer_processor_share": round(peer.processor, 4),
        "burst_processor_share": round(burst.processor, 4),
        "silent_processor_share": round(silent.processor, 4),
        "silent_bytes_per_s": round(silent.bytes_per_s),
        "idle_processor_share": round(idle.processor, 4),
        "idle_bytes_per_s": round(idle.bytes_per_s),
        "rss_mb": round(memory / 1e6, 1),
    }


def _settled(screen: Screen, measure: Callable[[], Used]) -> Used:
    screen.read_for(SETTLE)
    return measure()


def _ticking(live: LiveRun, screen: Screen, seconds: float, *, lines: int = 0) -> Used:
    """What a second of a live run costs, over some seconds."""
    return screen.used(seconds, each_second=lambda: _second(live, screen, lines))


def _second(live: LiveRun, screen: Screen, lines: int) -> None:
    """One second of a run: an epoch at its start, log lines throughout."""
    live.tick()
    parts = 20 if lines else 1
    for _ in range(parts):
        if lines:
            live.log(*(f"batch {time.monotonic_ns()} loss 0.4" for _ in range(lines // parts)))
        screen.read_for(1.0 / parts)


# From the command to the first full frame.


def _first_frame(folder: Path, sizes: ConsoleSizes, say: Say) -> dict[str, Any]:
    say("first frame, in turn with a bare Textual app")
    run = long_run(folder / "output" / "first", sizes.trials, sizes.epochs)
    pairs = []
    for _ in range(sizes.starts):
        pairs.append([_start(command) for command in (_console(run), _peer("--bare"))])
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "seconds": round(ours, 3),
        "bare_textual_seconds": round(bare, 3),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
    }


def _start(command: list[str], ready: bytes = READY) -> float:
    began = time.monotonic()
    with opened(command, 120, 34) as screen:
        screen.until(ready)
        return time.monotonic() - began


# From a key to the first byte of what it does, while four long curves change.


def _key(folder: Path, sizes: ConsoleSizes, say: Say) -> dict[str, Any]:
    say(f"keys while 4 curves of {sizes.points} points change")
    waits = []
    with live_run(folder / "output" / "keys", 0, sizes.points) as live:
        for number in range(1, 4):
            live.begin(number)
        for _ in range(sizes.points):
            live.epoch(trials=4)
        with opened(_console(live.run), 200, 50) as screen:
            screen.until(READY)
            screen.read_for(SETTLE)
            for _ in range(sizes.keys):
                live.tick(trials=4)
                screen.read_for(0.3)
                waits.append(screen.answer("j"))
                screen.read_for(0.3)
                waits.append(screen.answer("k"))
                screen.read_for(0.4)
    return {
        "median_ms": round(1000 * statistics.median(waits), 1),
        "p95_ms": round(1000 * statistics.quantiles(waits, n=20)[-1], 1),
    }


# From the command to the whole state of a very long run.


def _attach(folder: Path, sizes: ConsoleSizes, say: Say) -> dict[str, Any]:
    say(f"a run of {sizes.many_trials} trials is being made")
    run = long_run(folder / "output" / "many", sizes.many_trials, 10)
    _day_of_samples(run)
    small = long_run(folder / "output" / "one", 1, 10)
    whole = f"of {sizes.many_trials + 1} trials".encode()
    say("attaching without a snapshot, then with one")
    base = _start(_console(small))
    without = _start(_console(run), whole)
    snapshot.save(run, load(run))
    with_one = _start(_console(run), whole)
    return {
        "trials": sizes.many_trials,
        "events_mb": round(run.events.stat().st_size / 1e6, 1),
        "json_seconds": round(_json_alone(run), 2),
        "seconds_without_snapshot": round(without - base, 2),
        "seconds_with_snapshot": round(with_one - base, 2),
        "first_frame_seconds": round(base, 2),
    }


def _json_alone(run: RunDirectory) -> float:
    """Seconds that Python's JSON needs for the same log, with nothing made of it."""
    lines = run.events.read_text().splitlines()
    began = time.monotonic()
    with collecting_later():
        for line in lines:
            json.loads(line)
    return time.monotonic() - began


def _day_of_samples(run: RunDirectory) -> None:
    """gpu.jsonl as a day leaves it, a line a second."""
    line = b'{"t": 1700000000.0, "gpu": 0, "sm": 90, "p50": 90.0, "n": 12, "stage": "train"}\n'
    run.gpu.write_bytes(line * 86400)
