"""What no event tells by itself: an idle GPU, a disk that fills.

Looked at once a second beside the trials. Begin and end of each are events, so a resumed engine
knows what has been told, and every console shows the same.
"""

from __future__ import annotations

import time
from dataclasses import asdict

from atft_core.engine.session import Session
from atft_core.notify.settings import Settings
from atft_core.run import events as ev
from atft_core.run.alerts import standing
from atft_core.run.causes import cause_of
from atft_core.run.gauge import Band, Gauge, step
from atft_core.run.state import PHASE_BUDGET, Trial
from atft_core.run.wording import size

LOOK_SECONDS = 1.0
GPU_SECONDS = 60.0
"""Over which the utilisation is averaged: between epochs every GPU is idle for a moment."""
_DISK_SECONDS = (5.0, 60.0)
"""For so long a disk is nearly full before it is told, and well before that is."""


def look(session: Session) -> None:
    """Tell what began and what ended since the last look, and see to what is to be sent.

    Watching never ends a run: what goes wrong in it is told, once.
    """
    if not _due(session, "all", LOOK_SECONDS):
        return
    try:
        _look(session)
    except (OSError, ValueError, TypeError, KeyError) as error:
        said = f"alerts are not watched for: {error!r}"
        if said not in session.looked:
            session.looked[said] = time.monotonic()
            session.record(ev.Alert(key="notify", text=said))


def _look(session: Session) -> None:
    for text in session.outbox.turn():
        session.record(ev.Alert(key="notify", text=text))
    settings = session.notified().settings
    _disk(session, settings)
    _slots(session)
    _nodes(session)
    if _due(session, "gpu_idle", GPU_SECONDS):
        _gpu(session, settings)


def _due(session: Session, what: str, seconds: float) -> bool:
    """Whether that much time has gone by; the first look only starts the clock."""
    now = time.monotonic()
    if now - session.looked.setdefault(what, now) < seconds:
        return False
    session.looked[what] = now
    return True


def _disk(session: Session, settings: Settings) -> None:
    free, bar = session.reserve.free, settings.disk_low_gib * 2**30
    band = Band(bar, _DISK_SECONDS[0], 2 * bar, _DISK_SECONDS[1])
    place = f"the disk of {session.run.path}"
    if low := _turned(session, "disk_low", band, free):
        text = f"{place} is nearly full: {size(free)} left"
        session.record(ev.Alert(level="error", key="disk_low", text=text))
    elif low is False:
        text = f"{place} has room again: {size(free)} left"
        session.record(ev.Alert(level="info", key="disk_low", text=text, ended=True))


def _slots(session: Session) -> None:
    """What fell out of use, while the run goes on without it; where all did, it stops and says so.

    Once for each engine: a card may have been reset since.
    """
    for slot in () if session.slots.broken else session.slots.places:
        why = session.slots.why_broken(slot)
        text = f"slot {slot.number} is out of service: {why}; its trials go on in the others"
        if why and text not in session.looked:
            session.looked[text] = time.monotonic()
            session.record(ev.Alert(level="error", key="gpu_lost", text=text))


def _nodes(session: Session) -> None:
    """The machines of a cluster, whenever one came or went."""
    nodes = session.executor.nodes()
    seen = ev.ClusterSeen(nodes=[asdict(node) for node in nodes], slots=len(session.slots.places))
    if not nodes or (seen.nodes, seen.slots) == (session.state.nodes, session.state.slots):
        return
    before = {str(node["name"]): node for node in session.state.nodes if node.get("alive")}
    session.record(seen)
    for node in nodes:
        known = before.get(node.name)
        if known is not None and not node.alive:
            text = f"node {node.name} is gone; its trials go on elsewhere from their checkpoints"
            session.record(ev.Alert(level="error", key="node_lost", text=text))
        if node.why and (known is None or known.get("why") != node.why):
            key = "gpu_lost" if cause_of(node.why) == "LOST_GPU" else "node_lost"
            text = f"node {node.name} is not used: {node.why}"
            session.record(ev.Alert(level="error", key=key, text=text))


def _gpu(session: Session, settings: Settings) -> None:
    """The least busy of those that trials train on."""
    busy = {trial.number: duty for trial in session.state.at_work
            if (duty := _duty(session, trial)) is not None}  # fmt: skip
    number = min(busy, key=lambda number: busy[number], default=None)
    band = Band(settings.gpu_idle_below, 60 * settings.gpu_idle_minutes,
                settings.gpu_busy_above, 60 * settings.gpu_busy_minutes)  # fmt: skip
    idle = _turned(session, "gpu_idle", band, None if number is None else busy[number])
    if number is None:
        return
    doing = f"{busy[number]:.0f} % in the last minute of trial {number}"
    if idle:
        text = f"GPU idle for {settings.gpu_idle_minutes:g} minutes: {doing}"
        session.record(ev.Alert(level="warning", key="gpu_idle", text=text))
    elif idle is False:
        text = f"GPU busy again: {doing}"
        session.record(ev.Alert(level="info", key="gpu_idle", text=text, ended=True))


def _duty(session: Session, trial: Trial) -> float | None:
    """Percent, of the GPU that a trial trains on; phases that are slow without it do not count."""
    on_gpu = str(trial.settings.get("device")).startswith("cuda")
    if not on_gpu or trial.phase in PHASE_BUDGET:
        return None
    now = time.time()
    span = session.gpu_window(trial, now - GPU_SECONDS, now)
    return span["mean"] if span else None


def _turned(session: Session, key: str, band: Band, value: float | None) -> bool | None:
    """Whether the value has become low (True) or well (False) with this look; None: neither."""
    before = session.gauges.get(key) or Gauge(low=standing(session.state, key))
    after = step(before, band, time.time(), value)
    if after.low == before.low or standing(session.state, key) == after.low:
        session.gauges[key] = after
        return None
    return after.low  # turned once that is on record: telling it may fail
