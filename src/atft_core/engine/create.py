"""A new run: the gate, the directory, run.json and config.toml."""

from __future__ import annotations

import grp
import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atft_core import __version__
from atft_core.command.files import fingerprint
from atft_core.config.render import to_toml
from atft_core.config.schema import Config
from atft_core.engine.cluster.connect import enter_cluster
from atft_core.engine.cluster.slots import refuse_small_cluster
from atft_core.engine.local import adopt
from atft_core.engine.prepare import Prepared, differing, prepare
from atft_core.engine.shared import refuse_unreachable
from atft_core.errors import (
    EngineError,
    GateClosedError,
    RunBusyError,
    RunDirectoryError,
    UsageError,
)
from atft_core.run import allowed, plugins, user
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, create, siblings
from atft_core.run.events import SCHEMA_VERSION, Json
from atft_core.run.files import write_atomically, write_json
from atft_core.run.foreign import clean
from atft_core.run.journal import Journal
from atft_core.run.judge.gates import Gate, gate
from atft_core.run.lock import EngineLock, Holder
from atft_core.run.runbook import Runbook, Stage, load, stage_to_json

_VERSIONS = ("torch", "optuna", "polars", "pyarrow", "numpy", "scipy", "textual", "nvidia-ml-py")


@dataclass(frozen=True)
class Spec:
    """What a caller asks the engine to run. `stage` empty: ad hoc, opens no gate."""

    config: Json
    origins: dict[str, str]
    output_dir: str
    stage: str = ""
    runbook: str = ""
    override: str = ""
    until: float | None = None
    then: str = ""
    argv: list[str] = field(default_factory=list)
    environment: list[list[str]] = field(default_factory=list)


def new_run(spec: Spec) -> tuple[RunDirectory, Config, EngineLock]:
    """Check everything, then make the run directory and take its lock.

    Raises DataError, GateClosedError, RunDirectoryError or RunBusyError; no directory then.
    """
    config = Config.model_validate(spec.config)
    runbook = load(Path(spec.runbook)) if spec.stage else None
    stage = runbook.stage(spec.stage) if runbook else None
    refuse_unlabelled(stage, config)
    prepared = prepare(config, demo=bool(runbook and runbook.demo))
    if config.command.argv and not allowed.knows_program(fingerprint(config, Path.cwd())):
        raise EngineError(
            f"Nobody has asked for {' '.join(config.command.argv)[:200]} here.",
            hint="Start that stage by itself: `atft run` is how a person names a program.",
        )
    passed = pass_gate(runbook, stage, config, prepared, spec)
    spec = replace(spec, override="" if passed.open else spec.override)
    refuse_unreachable(config)
    enter_cluster(config)
    refuse_small_cluster(config)
    refuse_twin(Path(spec.output_dir))
    refuse_small_disk(Path(spec.output_dir))
    _refuse_group(config.engine.group)
    os.umask(0o027 if config.engine.group else 0o077)
    run = create(Path(spec.output_dir), group=config.engine.group)
    lock = EngineLock(run.lock)
    write_atomically(run.config, to_toml(config, spec.origins).encode())
    plugins.keep(config.plugins.files, run.plugins)
    run.events.unlink(missing_ok=True)  # of a start that was killed right here
    with Journal(run.events) as journal:
        journal.append(_started(spec, config, prepared, run, stage))
        journal.append(ev.DataReady(facts=prepared.facts, split=prepared.split))
    # Last: this file makes the directory a run.
    write_json(run.run_json, _facts(spec, config, prepared, run, passed.evidence))
    return run, config, lock


def refuse_unlabelled(stage: Stage | None, config: Config) -> None:
    """A criterion at a horizon that is not predicted could never be met."""
    for criterion in stage.criteria if stage else ():
        if criterion.horizon is not None and criterion.horizon not in config.label.horizons:
            raise UsageError(
                f"Criterion {criterion.name} is for horizon {criterion.horizon}, "
                f"but label.horizons = {list(config.label.horizons)}.",
                hint="Add the horizon to label.horizons, or change the criterion in the runbook.",
            )


def pass_gate(
    runbook: Runbook | None, stage: Stage | None, config: Config, prepared: Prepared, spec: Spec
) -> Gate:
    """The gate, which may be closed where the reason to start nevertheless is given.

    GateClosedError where it is not.
    """
    if runbook is None or stage is None:
        return Gate(True, "what is ad hoc has none")
    found = gate(runbook, stage, prepared.identity, differing(config), spec.argv)
    if not found.open and not spec.override:
        raise GateClosedError(f"Stage {stage.key} is locked: {found.reason}")
    return found


def refuse_twin(output_dir: Path) -> None:
    """Two runs of one stage at a time would only slow each other down."""
    for run in siblings(output_dir):
        holder = run.holder()
        left = [found for number in run.trials() if (found := adopt(run, number))]
        if holder is Holder.NOBODY and left:
            pid = left[0].pid
            raise RunBusyError(
                f"A worker of {run.path} is still at work (pid {pid}); its engine is gone.",
                hint=f"`atft resume {run.path}` takes it over; `kill {pid}` ends it.",
            )
        if holder is Holder.ENGINE:
            raise RunBusyError(
                f"{run.path} is being worked on by another engine.",
                hint=f"Watch it with `atft status {run.path}`, or end it with "
                f"`atft stop {run.path}`.",
            )


def refuse_small_disk(output_dir: Path) -> None:
    """A run that cannot even write its study should not begin."""
    existing = next(p for p in (output_dir, *output_dir.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < 64 * 2**20:
        raise RunDirectoryError(
            f"{existing} has {free / 2**20:.0f} MiB left; a run needs at least 64 MiB.",
            hint="Make room, or give a new run another place (--output-dir, or the runbook's).",
        )


def _refuse_group(group: str) -> None:
    """A group that a run directory cannot be given to; said while there is no directory yet."""
    if not group:
        return
    try:
        wanted = grp.getgrnam(group).gr_gid
    except KeyError:
        wanted = -1
    if wanted < 0 or (os.geteuid() != 0 and wanted not in {os.getegid(), *os.getgroups()}):
        raise RunDirectoryError(
            f"Cannot give the run directory to the group {group!r}.",
            hint="Set engine.group to one of your groups (`id -Gn`), or leave it empty.",
        )


def _started(
    spec: Spec, config: Config, prepared: Prepared, run: RunDirectory, stage: Stage | None
) -> ev.RunStarted:
    return ev.RunStarted(
        run=run.path.name,
        stage=spec.stage,
        study_name=config.engine.study_name,
        n_trials=config.engine.n_trials,
        max_epochs=config.train.max_epochs,
        horizon=config.objective.horizon,
        objective=config.command.value if config.command.argv else "rank_ic",
        identity=prepared.identity,
        stage_spec=stage_to_json(stage) if stage else {},
        loss=config.loss.weights,
        override=spec.override,
        until=spec.until,
        then=spec.then,
    )


def _facts(
    spec: Spec, config: Config, prepared: Prepared, run: RunDirectory, evidence: Path | None
) -> Json:
    """run.json."""
    return {
        "schema": SCHEMA_VERSION,
        "id": uuid.uuid4().hex,
        "atft": __version__,
        "created": time.time(),
        "stage": spec.stage,
        "runbook": spec.runbook,
        "study_name": config.engine.study_name,
        "data": {
            key: prepared.facts[key] for key in ("path", "hash", "command") if key in prepared.facts
        },
        "cache": str(prepared.cache),
        "config_hash": prepared.identity["config_hash"],
        "code": prepared.identity["code"],
        "identity": prepared.identity,
        "split": prepared.split,
        "git": _git(),
        "argv": [clean(word) for word in spec.argv],
        "cwd": str(Path.cwd()),
        "environment": [[clean(text) for text in notice] for notice in spec.environment],
        "host": socket.gethostname(),
        "user": user.name(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "versions": _versions(),
        "evidence": str(evidence) if evidence else None,
        "override": spec.override,
        "then": spec.then,
    }


def _versions() -> dict[str, str]:
    found: dict[str, Any] = {}
    for name in _VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _git() -> str:
    """Commit of the checkout that holds this code, with + when it was edited; empty outside one."""
    here = Path(__file__).resolve().parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
