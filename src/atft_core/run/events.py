"""Everything that can happen in a run, one frozen dataclass per kind.

A line of events.jsonl is {"seq", "t", "kind", ...fields, "crc"}. Fields are only ever added: a
reader ignores the ones it does not know, and gives the ones that are missing their defaults. Last
comes the CRC-32 of the line before it: gates open on this log, and a digit that turned on a disk
must not open one.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar
from zlib import crc32

from atft_core.run.fits import MOST, fitting, misfit
from atft_core.writer import summed

SCHEMA_VERSION = 1
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all kinds."""

    durable: ClassVar[bool] = True
    """Whether the line is fsynced before the engine acts on it."""


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """What this run is: written once."""

    run: str
    stage: str = ""
    study_name: str = ""
    n_trials: int = 0
    max_epochs: int = 0
    horizon: int = 1
    objective: str = "rank_ic"
    """The validation metric that the study maximises; with a minus before it, minimises."""
    identity: Json = field(default_factory=dict)
    stage_spec: Json = field(default_factory=dict)
    loss: Json = field(default_factory=dict)
    """The loss weights that the configuration asks for."""
    override: str = ""
    until: float | None = None
    then: str = ""


@dataclass(frozen=True, kw_only=True)
class EngineStarted(Event):
    """An engine took the lock: the first one, or one that resumes."""

    pid: int
    start_time: float = 0.0
    host: str = ""
    code: str = ""
    """Version of the code that it runs."""


@dataclass(frozen=True, kw_only=True)
class DataReady(Event):
    """The panel that the workers map, and the split."""

    facts: Json = field(default_factory=dict)
    split: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Preflight(Event):
    """Checks made before any trial; an estimate is seconds per epoch, trial and sweep."""

    checks: list[Json] = field(default_factory=list)
    estimate: Json = field(default_factory=dict)
    baselines: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrialIntent(Event):
    """About to ask the study for this trial; the study may or may not have heard of it."""

    trial: int


@dataclass(frozen=True, kw_only=True)
class TrialAsked(Event):
    """The study gave a trial its parameters."""

    trial: int
    params: Json = field(default_factory=dict)
    in_study: int | None = None
    """Its number there: another one in a study that several runs share."""


@dataclass(frozen=True, kw_only=True)
class WorkerStarted(Event):
    """A worker process runs an attempt at a trial."""

    trial: int
    attempt: int = 1
    pid: int = 0
    start_time: float = 0.0
    resume_epoch: int = 0
    slot: int = 0
    """Of those that compute at once."""
    node: str = ""
    """Where, on a cluster; its process number means nothing elsewhere."""


@dataclass(frozen=True, kw_only=True)
class ClusterSeen(Event):
    """The machines that trials are placed on, whenever that changes."""

    nodes: list[Json] = field(default_factory=list)
    """name, gpus, cpus, alive, and why it is not used; empty where it is."""
    slots: int = 0
    """Trials that they have room for at once."""


@dataclass(frozen=True, kw_only=True)
class WorkerEvent(Event):
    """Written by a worker into its trial directory and copied here by the engine."""

    trial: int
    attempt: int = 1
    worker_seq: int = 0
    said: float = 0.0
    """When the worker wrote it; `t` is when the engine copied it."""
    up: float = 0.0
    """The same on a clock that nobody sets, in seconds since the machine was started."""


@dataclass(frozen=True, kw_only=True)
class Settings(WorkerEvent):
    """What the worker really runs with, as it found it."""

    values: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Progress(WorkerEvent):
    """Where in an epoch the worker is."""

    durable: ClassVar[bool] = False
    epoch: int = 0
    phase: str = ""
    batch: int = 0
    batches: int = 0


@dataclass(frozen=True, kw_only=True)
class Epoch(WorkerEvent):
    """An epoch ended; val holds the metrics of each horizon."""

    epoch: int = 0
    seconds: float = 0.0
    batches: int = 0
    batches_available: int = 0
    time: Json = field(default_factory=dict)
    rates: Json = field(default_factory=dict)
    train: Json = field(default_factory=dict)
    val: dict[str, Json] = field(default_factory=dict)
    gpu: Json | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerExited(Event):
    """A worker process is gone; ok says whether it left a verdict.

    `over`: why its trial is over with it, where the engine decided that.
    """

    trial: int
    attempt: int = 1
    ok: bool = True
    reason: str = ""
    over: str = ""


@dataclass(frozen=True, kw_only=True)
class TrialEnded(Event):
    """The trial has its final state. Only a complete or pruned trial has a value."""

    trial: int
    state: str = "COMPLETE"
    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Requested(Event):
    """A request was answered; id is its file's name, so that it is answered once."""

    id: str
    op: str = ""
    user: str = ""
    ok: bool = True
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class StopRequested(Event):
    """Somebody asked the run to end after the running trial, or now."""

    now: bool = False
    user: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class PruneRequested(Event):
    """Somebody gave up on a running trial."""

    trial: int
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class TrialEnqueued(Event):
    """Somebody asked for one more trial, with these parameters; it is the next that starts."""

    params: Json = field(default_factory=dict)
    request: str = ""
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision(Event):
    """A rule decided about a trial, or about the sweep (trial None)."""

    rule: str
    verdict: str = "go on"
    reason: str = ""
    evidence: Json = field(default_factory=dict)
    trial: int | None = None
    saves_hours: float = 0.0
    acts: bool = False
    said: str = ""
    """The whole in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Significance(Event):
    """How much of the best trial is luck, over all trials that were measured."""

    trial: int
    horizon: int = 1
    found: Json = field(default_factory=dict)
    said: str = ""
    """The whole in a sentence."""


@dataclass(frozen=True, kw_only=True)
class WalkedForward(Event):
    """What the folds of a walk-forward say together, and each for itself."""

    found: Json = field(default_factory=dict)
    said: str = ""
    """The whole in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Alert(Event):
    """Something that a person should see."""

    level: str = "warning"
    text: str = ""
    key: str = "other"
    """What it is about: a word of `alerts.KEYS`."""
    ended: bool = False
    """Whether it says that what began under this key is over."""
    trial: int | None = None
    """Which trial hangs."""


@dataclass(frozen=True, kw_only=True)
class HoldoutScored(Event):
    """The holdout was looked at; looks counts all looks at this data so far."""

    trial: int
    looks: int = 1
    metrics: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunPaused(Event):
    """The engine cannot write, and waits until it can."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RunContinued(Event):
    """The engine can write again, and goes on where it was."""


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The engine let go. FINISHED, STOPPED (may be resumed) or FAILED."""

    state: str = "FINISHED"
    reason: str = ""
    verdict: str = ""
    """What its criteria say, in words; empty where it has none."""


@dataclass(frozen=True)
class Stamped:
    """An event with its place in the log."""

    seq: int
    t: float
    event: Event


def _kind(cls: type[Event]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def kind_of(event: Event) -> str:
    """How a line calls it."""
    return _NAMES[type(event)]


KINDS: dict[str, type[Event]] = {
    _kind(cls): cls
    for cls in (
        RunStarted, EngineStarted, DataReady, Preflight, TrialIntent, TrialAsked, WorkerStarted,
        ClusterSeen, Settings, Progress, Epoch, WorkerExited, TrialEnded, Requested, StopRequested,
        PruneRequested, TrialEnqueued, Decision, Significance, WalkedForward, Alert,
        HoldoutScored, RunPaused, RunContinued, RunEnded,
    )
}  # fmt: skip


_NAMES = {cls: kind for kind, cls in KINDS.items()}
_SUM = len(',"crc":"00000000"}')
_END_OF_TIME = 1e11
"""Seconds since 1970 that a calendar still knows."""
_json_of = json.JSONDecoder().raw_decode
"""What `json.loads` calls, without the looks for blanks around it, at a million lines."""


def encode(stamped: Stamped) -> str:
    """One line without its newline; raises ValueError on NaN or infinity."""
    event = stamped.event
    record = {"seq": stamped.seq, "t": round(stamped.t, 3), "kind": kind_of(event)}
    text = json.dumps({**record, **asdict(event)}, allow_nan=False, separators=(",", ":"))
    return summed(text)


def decode(line: str) -> Stamped | None:
    """The event of a line, or None when the line is damaged or of an unknown kind."""
    try:
        text = line.strip()
        if text[-_SUM:] != f',"crc":"{crc32(text[:-_SUM].encode()):08x}"}}':
            return None
        record, end = _json_of(text)
        if end < len(text):
            return None
        cls = KINDS[record["kind"]]
        known = fitting(cls)
        given = {key: value for key, value in record.items() if key in known}
        if misfit(given, known):
            return None
        seq, t = int(record["seq"]), float(record["t"])
        return Stamped(seq, t, cls(**given)) if seq < MOST and abs(t) < _END_OF_TIME else None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
