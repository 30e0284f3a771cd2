"""Worker events, copied from the trial's own file into the run's log. Each counts once."""

from __future__ import annotations

import time
from dataclasses import replace

from atft_core.engine.session import Session
from atft_core.run.events import Epoch, Progress, Stamped, WorkerEvent
from atft_core.run.journal import Tail

PROGRESS_SECONDS = 1.0
"""Progress within a phase is copied at most this often: a night of it stays small."""


def drain(session: Session, trial: int) -> list[Epoch]:
    """Copy what the worker has written since the last call; the epochs among it."""
    tail = session.drained.get(trial)
    if tail is None:
        tail = session.drained[trial] = Tail(session.run.trial(trial).events)
    epochs: list[Epoch] = []
    found = list(tail.events())
    for stamped, following in zip(found, [*found[1:], None], strict=False):
        event = stamped.event
        known = session.state.trial(trial)
        if not isinstance(event, WorkerEvent) or event.attempt != known.attempt:
            continue
        if stamped.seq <= known.worker_seq or _superseded(session, trial, event, following):
            continue
        copied = replace(event, trial=trial, worker_seq=stamped.seq, said=round(stamped.t, 3))
        if isinstance(copied, Epoch):
            copied = replace(copied, gpu=_duty(session, copied))
            epochs.append(copied)
        if isinstance(copied, Progress):
            session.note_phase(session.state.trial(trial), copied.phase)
        session.record(copied)
    return epochs


def _superseded(
    session: Session, trial: int, event: WorkerEvent, following: Stamped | None
) -> bool:
    """Whether a progress event says nothing that is worth a line in the log."""
    if not isinstance(event, Progress):
        return False
    if following is not None and isinstance(following.event, Progress):
        return following.event.phase == event.phase
    known = session.state.trial(trial)
    recent = abs(time.time() - known.heard) < PROGRESS_SECONDS  # a clock may be set back
    return recent and known.phase == event.phase and known.epoch == event.epoch


def _duty(session: Session, epoch: Epoch) -> dict[str, float] | None:
    """The GPU over the epoch's training span; None where the trial used none, or none is seen."""
    trial = session.state.trial(epoch.trial)
    if not str(trial.settings.get("device")).startswith("cuda"):
        return None  # whatever the card does, it does for somebody else
    start, end = epoch.time.get("train_start"), epoch.time.get("train_end")
    if not isinstance(start, (int, float)) or not isinstance(end, (int, float)):
        return None
    return session.gpu_window(trial, start, end)
