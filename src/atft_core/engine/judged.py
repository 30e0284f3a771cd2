"""The end of a stage with what its criteria say, and whether that opens a gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from atft_core.engine.session import Session
from atft_core.errors import AtftError
from atft_core.run import events as ev
from atft_core.run.judge.criteria import Verdict, check, overall
from atft_core.run.runbook import load
from atft_core.run.stages import stage_from_json


def judged(session: Session, end: ev.RunEnded) -> tuple[ev.RunEnded, ev.Alert | None]:
    """`end` with its verdict, and the alert that a gate is open where it is."""
    state = session.state
    if end.state != "FINISHED" or not state.stage_spec:
        return end, None
    stage = stage_from_json(state.stage_spec, session.run.path)
    results = check(replace(state, end_state=end.state), stage)
    verdict = overall(results, state)
    passed = sum(result.verdict is Verdict.PASS for result in results)
    said = f"{verdict.value}, {passed} of {len(results)} criteria"
    nexts = _nexts(session) if verdict is Verdict.PASS else []
    opened = ev.Alert(
        level="info", key="gate_opened", text=f"{stage.title} passed: {', '.join(nexts)} may start"
    )
    return replace(end, verdict=said), opened if nexts else None


def _nexts(session: Session) -> list[str]:
    """Titles of the stages that wait for this one; none where the runbook cannot be read."""
    try:
        stages = load(Path(str(session.run.facts()["runbook"]))).stages
    except AtftError:
        return []
    return [stage.title for stage in stages if stage.requires == session.state.stage]
