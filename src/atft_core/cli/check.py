"""Whether a run's evidence is good enough, what it rests on, and how it compares."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from atft_core.cli.output import print_json, say, table
from atft_core.cli.status import GLYPH
from atft_core.errors import CriteriaNotMetError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.judge.checklist import bars, error, margin, margin_errors, reason, value
from atft_core.run.judge.contrast import FOOTNOTE, Contrast, contrast
from atft_core.run.judge.contrast import GLYPH as CHANGES
from atft_core.run.judge.criteria import Result, Verdict, check, meaning, overall
from atft_core.run.judge.traces import Point, Trace, trace
from atft_core.run.runbook import Stage, load, stage_from_json
from atft_core.run.shipped import shipped
from atft_core.run.stages import Bar, CriterionSpec, nearest_first
from atft_core.run.state import State
from atft_core.run.status import evidence, status
from atft_core.run.wording import MISSING, several

SAID = 20
"""Events and days that the text shows, the newest ones; JSON has all that are kept."""


@dataclass(frozen=True)
class Asked:
    """Which run, judged by which stage: its own, where none is named."""

    run_dir: Path
    stage: str = ""
    runbook: Path | None = None


def check_run(asked: Asked, against: Path | None, *, as_json: bool) -> int:
    """Judge a run by its stage's criteria, and lay it beside another one."""
    run = _opened(asked.run_dir)
    other = _opened(against) if against else None
    held = run.holder()
    state = evidence(run)
    state_now = status(state, held, time.time())
    spec = None if other and _ad_hoc(state, asked) else _stage(state, asked)
    results = check(state, spec) if spec else []
    verdict = overall(results, state)
    found = contrast(_before(other), state, spec) if other else None
    if as_json:
        print_json({
            "verdict": verdict.value, "stage": spec.key if spec else "", "state": state_now.name,
            "lost_events": state.lost, "doubt": state.doubt,
            "ad_hoc": not state.stage, "override": state.override,
            "criteria": [_result_json(result) for result in results],
            **({"against": _contrast_json(other, found)} if other and found else {}),
        })  # fmt: skip
    else:
        if spec:
            say(checklist(results, spec.gate))
            say(f"{spec.title}: {verdict.value} (run {state_now.name})")
        if state.doubt:
            which = f"; `atft repair {asked.run_dir}` says which" if state.lost else ""
            say(f"No evidence for a gate: the run {state.doubt}{which}.")
        if state.override:
            say(f"Started although its gate was closed: {state.override}")
        if other and found:
            say(_contrasted(run, other, found))
    met = verdict is Verdict.PASS or spec is None
    return 0 if met else CriteriaNotMetError.exit_code


def _before(run: RunDirectory) -> State:
    """What is believed about the earlier run, unless its own stage is damaged."""
    state = evidence(run)
    if state.stage_spec:
        stage_from_json(state.stage_spec, run.path)
    return state


def _opened(run_dir: Path) -> RunDirectory:
    run = RunDirectory(run_dir.absolute())
    run.facts()
    return run


def _ad_hoc(state: State, asked: Asked) -> bool:
    return not (asked.stage or asked.runbook or state.stage_spec)


def _stage(state: State, asked: Asked) -> Stage:
    if asked.stage or asked.runbook is not None:
        return load(asked.runbook or shipped("runbook.toml")).stage(asked.stage or state.stage)
    if not state.stage_spec:
        raise UsageError(
            "This is an ad hoc run: it belongs to no stage and opens no gate.",
            hint="Judge it by the criteria of a stage with --stage dry.",
        )
    return stage_from_json(state.stage_spec, asked.run_dir.absolute())


def _result_json(result: Result) -> Json:
    return asdict(result) | {"margin": result.margin, "margin_errors": result.margin_errors}


def checklist(results: Sequence[Result], gate: Bar) -> str:
    """The criteria as aligned lines, sections apart."""
    rows = [_row(result, gate) for result in results]
    texts = table(rows, right=(2, 4, 5)).splitlines()
    lines: list[str] = []
    section = ""
    for result, text in zip(results, texts, strict=True):
        if result.section != section:
            section = result.section
            lines.append(section)
        lines.append(f"  {text}")
    return "\n".join(lines)


def _row(result: Result, gate: Bar) -> list[str]:
    notes = "; ".join(part for part in (result.note, reason(result)) if part)
    return [_verdict(result), _named(result), value(result), bars(result, gate), margin(result),
            margin_errors(result), error(result), notes]  # fmt: skip


def _verdict(result: Result) -> str:
    return f"{GLYPH[result.verdict]} {result.verdict.value}"


def _named(result: Result) -> str:
    return f"{result.title} h={result.horizon}" if result.horizon is not None else result.title


# One criterion.


def show_evidence(asked: Asked, name: str, *, as_json: bool) -> int:
    """What one criterion was computed from."""
    run = _opened(asked.run_dir)
    state = evidence(run)
    stage = _stage(state, asked)
    spec, result = _chosen(state, stage, name)
    found = trace(state, spec, result)
    days = _days(run, state, spec, found)
    if as_json:
        print_json({
            "criterion": _result_json(result), "meaning": meaning(name), "event": found.kind,
            "points": [asdict(point) for point in found.points], "total": found.total,
            "days": [{"date": date, "value": day} for date, day in days],
        })  # fmt: skip
    else:
        say(checklist([result], stage.gate))
        say(f"  {meaning(name)}")
        say(f"  {several(result.n, 'sample')}, {result.source or 'no source'}")
        say(_events(found))
        if days:
            rows = [["day", "value"], *([date, _plain(day)] for date, day in days[-SAID:])]
            say(table(rows, right=(1,)))
    return 0 if result.verdict is Verdict.PASS else CriteriaNotMetError.exit_code


def _chosen(state: State, stage: Stage, name: str) -> tuple[CriterionSpec, Result]:
    results = check(state, stage)
    for spec, result in zip(stage.criteria, results, strict=True):
        if spec.name == name:
            return spec, result
    known = nearest_first(name, [spec.name for spec in stage.criteria])
    raise UsageError(
        f"Stage {stage.key!r} has no criterion {name!r}.", hint=f"It has {', '.join(known)}."
    )


def _days(
    run: RunDirectory, state: State, spec: CriterionSpec, found: Trace
) -> list[tuple[str, float | None]]:
    """The values by day of the epoch that decides; empty where the criterion has none."""
    from atft_core.train.by_day import COLUMNS, by_day

    deciding = [point for point in found.points if point.decides]
    if spec.name not in COLUMNS or spec.horizon is None or len(deciding) != 1:
        return []
    return by_day(run, spec.name, state.trials[deciding[0].trial], spec.horizon)


def _events(found: Trace) -> str:
    if not found.points:
        return f"no {found.kind or 'known'} event"
    rows = [["seq", "event", "time", "trial", "epoch", "value", ""]]
    rows += [_event(found.kind, point) for point in found.points[-SAID:]]
    return table(rows, right=(0, 3, 4, 5))


def _event(kind: str, point: Point) -> list[str]:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(point.t))
    number = point.said or _plain(point.value)
    epoch = str(point.epoch) if point.epoch else MISSING
    return [str(point.seq or MISSING), kind, at, str(point.trial), epoch, number,
            "decides" if point.decides else ""]  # fmt: skip


def _plain(number: float | None) -> str:
    return MISSING if number is None else f"{number:.4f}"


# Two runs.


def _contrast_json(other: RunDirectory, found: Contrast) -> Json:
    lines = [
        asdict(line) | {"difference": line.difference, "z": line.z, "change": line.change}
        for line in found.lines
    ]
    return {"run_dir": str(other.path), "caveats": list(found.caveats), "lines": lines}


def _contrasted(run: RunDirectory, other: RunDirectory, found: Contrast) -> str:
    rows = [["", "", "before", "after", "difference", "z"]]
    for line in found.lines:
        horizon = f" h={line.horizon}" if line.horizon is not None else ""
        z = "" if line.z is None else f"{line.z:+.1f}"
        rows.append(
            [f"{CHANGES[line.change]} {line.change}", f"{line.title}{horizon}", *line.said, z]
        )
    text = [f"before: {other.path}", f"after:  {run.path}", table(rows, right=(2, 3, 4, 5))]
    text.append(f"{FOOTNOTE}.")
    return "\n".join([*text, *(f"note: {caveat}" for caveat in found.caveats)])
