"""What the engine itself costs: events, attaching to a long run, and the study."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atft_core.bench.machine import machine
from atft_core.bench.restarts import restarts
from atft_core.bench.runs import epoch_events, long_run
from atft_core.bench.supervision import supervision
from atft_core.bench.timing import seconds
from atft_core.config.schema import Config
from atft_core.engine import study as studies
from atft_core.engine.space import distributions, suggest
from atft_core.run import snapshot
from atft_core.run.directory import RunDirectory
from atft_core.run.journal import Journal
from atft_core.run.status import load


@dataclass(frozen=True)
class EngineSizes:
    """What is measured."""

    trials: int = 200
    epochs: int = 50
    study_trials: int = 40
    reports: int = 10
    empty_trials: int = 20


def bench_engine(sizes: EngineSizes, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures, as JSON."""
    with TemporaryDirectory(prefix="atft-bench-") as scratch:
        say("writing events")
        run = long_run(Path(scratch) / "long", sizes.trials, sizes.epochs)
        return {
            "machine": machine(),
            "sizes": vars(sizes),
            "events": _events(run, say),
            "study": _study(Path(scratch), sizes, say),
            "supervision": supervision(Path(scratch), sizes.empty_trials, say),
            "restarts": restarts(Path(scratch), say),
        }


def _events(run: RunDirectory, say: Callable[[str], None]) -> dict[str, Any]:
    say("folding events")
    count = run.events.read_bytes().count(b"\n")
    fold = seconds(lambda: load(run))
    snapshot.save(run, load(run))
    attach = seconds(lambda: load(run))
    say("durable events")
    with Journal(run.events) as journal:
        durable = seconds(lambda: [journal.append(epoch_events(0, 1, 1)[1]) for _ in range(50)])
    return {
        "count": count,
        "fold_per_s": round(count / fold),
        "attach_seconds": round(attach, 4),
        "durable_per_s": round(50 / durable),
    }


def _study(scratch: Path, sizes: EngineSizes, say: Callable[[str], None]) -> dict[str, Any]:
    """Asking for a trial, reporting its epochs, telling its value; the training is left out."""
    say("asking and telling trials")
    run = RunDirectory(scratch)
    config = Config()
    study, space = studies.open_study(run, config, trials_known=0), distributions(config)
    times = []
    for number in range(sizes.study_trials):
        began = time.perf_counter()
        trial = studies.ask(study, number, seed=0, space=space)
        suggest(trial, space)
        for epoch in range(1, sizes.reports + 1):
            studies.report(trial, epoch, 0.01 * epoch / (number + 1))
        study.tell(trial, 0.1)
        times.append(time.perf_counter() - began)
    middle = sorted(times)[len(times) // 2]
    return {"trials": sizes.study_trials, "seconds_per_trial": round(middle, 4)}
