"""A run from its first trial to its last, or to the moment when it has to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType

from atft_core.engine.beside import exit_code
from atft_core.engine.conclude import conclude
from atft_core.engine.judged import judged
from atft_core.engine.pause import patiently
from atft_core.engine.pool import work
from atft_core.engine.requests import expire_requests
from atft_core.engine.session import Session
from atft_core.engine.study import pruning_possible
from atft_core.gpu.holders import holders
from atft_core.run import events as ev
from atft_core.run.files import read_json
from atft_core.run.judge.measure_run import unmeasured_gpu
from atft_core.run.wording import finite


def supervise(session: Session) -> ev.RunEnded:
    """Run all trials; returns the end that was written."""
    _listen(session)
    end = patiently(session, lambda: _begin(session) or work(session))
    conclude(session)
    session.copy.now()
    return _end(session, end)


def _begin(session: Session) -> ev.RunEnded | None:
    expire_requests(session)
    if why := session.executor.why_unfit(begun=bool(session.state.trials)):
        return ev.RunEnded(state="FAILED", reason=f"cluster: {why}")
    return _preflight(session)


def _end(session: Session, end: ev.RunEnded) -> ev.RunEnded:
    """Write it down, with what it opens; for a disk that fails just now it waits, too."""
    end, opened = judged(session, end)

    told = len(session.state.alerts)

    def written() -> None:
        if not session.state.end_state:
            session.record(end)
        news = session.state.alerts[told:]
        if opened is not None and opened.text not in [alert.text for alert in news]:
            session.record(opened)

    patiently(session, written)
    written()  # once more, where it was told to end before it could
    return end


def _listen(session: Session) -> None:
    """SIGTERM and SIGINT stop the run in order; a hangup is none of the engine's business."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        session.signalled = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _preflight(session: Session) -> ev.RunEnded | None:
    """Seconds of checks before hours of compute; an end when one of them fails."""
    checks = session.state.preflight
    if checks and all(check["ok"] for check in checks):
        return None
    _name_strangers(session)
    session.run.preflight.unlink(missing_ok=True)  # of an earlier engine
    code = exit_code(session, session.programs.preflight, lambda: session.why_interrupt)
    if code is None:
        return ev.RunEnded(state="STOPPED", reason=session.why_interrupt)
    found = read_json(session.run.preflight)
    if code != 0 or not isinstance(found, dict):
        told = found.get("error") if isinstance(found, dict) else None
        reason = told or f"exit code {code}; see {session.run.log}"
        return ev.RunEnded(state="FAILED", reason=f"preflight: {reason}")
    session.record(
        ev.Preflight(
            checks=found["checks"], estimate=found["estimate"], baselines=found["baselines"]
        )
    )
    for text in found.get("warnings", ()):
        session.record(ev.Alert(level="warning", text=str(text)))
    for level, text in _foresee(session):
        session.record(ev.Alert(level=level, text=text))
    failed = [str(check["name"]) for check in found["checks"] if not check["ok"]]
    if failed:
        return ev.RunEnded(state="FAILED", reason=f"preflight: {', '.join(failed)}")
    return None


def _name_strangers(session: Session) -> None:
    """Who is on the GPU already, before a trial finds no room there."""
    if session.config.train.device == "cpu":
        return
    own = [os.getpid(), *session.state.roles]
    for held in holders(own):
        helps = f"`ps -fp {held.pid}` says what it is: a worker that was left over, end it"
        session.record(ev.Alert(level="warning", text=f"{held.text}; {helps}"))


def _foresee(session: Session) -> Iterator[tuple[str, str]]:
    """What is known before the first trial about how this run can end: level and text."""
    stage = session.state.stage_spec
    bars = {row.get("name"): row for row in stage.get("criteria", [])}
    if "gpu_utilisation" in bars and session.sampler.reason:
        yield "warning", unmeasured_gpu(session.sampler.reason)
    expected = finite(session.state.estimate.get("epoch_seconds"))
    allowed = finite(bars.get("epoch_seconds", {}).get("minimum"))
    if expected is not None and allowed is not None and expected > allowed:
        yield (
            "warning",
            f"an epoch takes about {expected:.0f} s, more than the {allowed:g} s allowed",
        )
    if session.config.engine.sampler != "grid" and not pruning_possible(session.config):
        yield "info", "no trial can be pruned: too few trials or epochs"
