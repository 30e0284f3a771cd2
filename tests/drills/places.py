"""Where a drill makes a process fail: every step by which an engine or a worker changes a disk."""

WRITES = ("open", "rename", "sync")


def _file(name: str, *, durable: bool = True) -> list[str]:
    steps = WRITES if durable else WRITES[:2]
    return [*(f"before {step} {name}" for step in steps), f"after write {name}"]


def _events(who: str, *kinds: str) -> list[str]:
    return [f"{when} {who} {kind}" for kind in kinds for when in ("before", "after")]


def _steps(*names: str) -> list[str]:
    return [f"{when} {name}" for name in names for when in ("before", "after")]


START = [
    "after lock engine.lock", "before describe engine.lock", *_file("config.toml"),
    *_events("run", "run_started", "data_ready"), *_file("run.json"),
]  # fmt: skip
"""Before there is a run: a kill leaves none, and the next start makes it."""
ENGINE = [
    *_events("run", "engine_started"), "before run sync",
    *_events("run", "preflight", "alert", "trial_intent"),
    *_steps("study ask"), *_file("params.json"), *_events("run", "trial_asked"),
    *_steps("worker start"), *_events("run", "worker_started", "settings", "progress", "epoch"),
    *_steps("study report"), *_events("run", "worker_exited"), *_steps("study tell"),
    *_events("run", "trial_ended"), *_steps("study copy"), "before rename study copy",
    *_file("state.snapshot", durable=False), *_events("run", "run_ended"),
]  # fmt: skip
BESIDE = [*_file("preflight.json"), *_file("conclusion.json")]
"""Of programs that the engine waits for."""
ASKING = _file("request")
"""Of the console and the commands, which write nothing else into a run but notes."""
REQUESTS = [
    *_steps("study enqueue"), "after request act",
    *_events("run", "trial_enqueued", "prune_requested", "requested"),
]  # fmt: skip
WORKER = [
    "after lock worker.lock", "before describe worker.lock", *_events("trial", "settings"),
    "before trial sync", *_events("trial", "progress"), *_file("epoch_00001.json"),
    *_file("epoch_00002.json"), *_file("metrics.json"), *_events("trial", "epoch"),
    *_file("exit.json"),
]  # fmt: skip
"""Of the worker that computes nothing."""
TRAINING = [
    *_file("weights.safetensors"), *_file("optimiser.pt"), *_file("manifest.json"),
    "before rename checkpoint", "before remove old checkpoint", *_file("predictions.arrow"),
    *_file("daily_ic.csv", durable=False),
]  # fmt: skip
"""Of the worker that trains, beside those."""
