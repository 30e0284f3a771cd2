"""What runs are doing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from atft_core.cli.keeping import note_json
from atft_core.cli.output import json_text, print_json, say, table
from atft_core.errors import AtftError, RunDirectoryError, UsageError
from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory, find_runs
from atft_core.run.events import Json
from atft_core.run.foreign import DAMAGE, clean
from atft_core.run.judge.criteria import Verdict
from atft_core.run.listing import Listed, disk_use, listed
from atft_core.run.narrate import cluster_line, outcome, stamp
from atft_core.run.notes import Notes, read_notes
from atft_core.run.state import Alert, State, Trial
from atft_core.run.status import Status, read_status
from atft_core.run.timeline import Then, newest_time, parse_time, state_then
from atft_core.run.verdict.around import Surroundings
from atft_core.run.verdict.diagnose import Diagnosis, verdict_line
from atft_core.run.verdict.history import told
from atft_core.run.wording import (
    MISSING,
    clock,
    duration,
    finite,
    fixed,
    metric_name,
    panel_in_brief,
    scale,
    several,
    signed,
    size,
    trial_word,
)

GLYPH = {
    Verdict.PASS: "ok",
    Verdict.FAIL: "XX",
    Verdict.PENDING: "..",
    Verdict.UNKNOWN: "??",
}


LOOK_SECONDS = 0.3
"""Over which the use of the cores is averaged for one look."""


def show_status(
    directories: Sequence[Path], *, every: bool, at: str = "", verdicts: bool, as_json: bool
) -> None:
    """One run in detail, now or as it was, or one line for every run below some directories."""
    for directory in directories:
        if not directory.is_dir():
            raise UsageError(f"There is no directory {directory}.")
    first = directories[0]
    if len(directories) == 1 and (first / "run.json").exists():
        run = RunDirectory(first.absolute())
        try:
            _show_one(run, at=at, verdicts=verdicts, as_json=as_json)
        except DAMAGE as error:
            raise RunDirectoryError(
                f"{run.events} holds values that cannot be shown: {error!r:.200}",
                hint="Restore it from a copy, or start a new run.",
            ) from error
    elif at or verdicts:
        option, named = "--at" if at else "--verdicts", ", ".join(map(str, directories))
        raise UsageError(f"{option} is about one run, and {named} is none.",
                         hint="Name its directory.")  # fmt: skip
    else:
        runs = {run.path: run for place in directories for run in find_runs(place)}
        _show_all(directories, list(runs.values()), every=every, as_json=as_json)


def _show_one(run: RunDirectory, *, at: str, verdicts: bool, as_json: bool) -> None:
    run.facts()
    now = time.time()
    if at:
        state, status, now = _status_at(run, at)
        verdict = verdict_line(state, status)
    else:
        state, status = read_status(run)
        verdict = _verdict(run, state, status)
    if as_json:
        history = {"verdicts": [told(each) for each in state.verdicts]} if verdicts else {}
        moment = {"at": now} if at else {}
        print_json({**status_json(run, state, status, verdict), **history, **moment})
        return
    say(f"{run.path}" + (f" at {stamp(now)}, event {state.seq}" if at else ""))
    say(f"{_stage(state)}: {status.name}" + (f", {status.reason}" if status.reason else ""))
    say(_summary(state, status, now, None if at else disk_use(run.path)))
    say(f"Verdict: {verdict.word}, {verdict.text} -> {verdict.action}")
    notes = read_notes(run, until=now if at else None)
    if notes.run.line:
        say(f"note: {notes.run.line}")
    if verdicts:
        say(_verdicts(state))
        return
    for found in state.preflight:
        if not found.get("ok"):
            say(f"preflight {GLYPH[Verdict.FAIL]} {found.get('name')}: {found.get('detail')}")
    if state.trials:
        say("\n".join([_trials(state, notes), *outcome(run, state)]))
    if state.best and state.baselines and not state.walks:
        say(_compared(state, state.best))
    if state.walk:
        say(_folds(state.walk))
        say(f"Walk-forward, {state.walk.get('said', '')}.")
    if state.significance:
        say(f"Best: {state.significance.get('said', '')}.")
    for alert in state.alerts[-5:]:
        say(f"{clock(alert.since)} {alert.level}: {clean(alert.text)}")


def _verdict(run: RunDirectory, state: State, status: Status) -> Diagnosis:
    """What the console says, with a moment's look at what goes on around a live run."""
    if not status.live:
        return verdict_line(state, status)
    surroundings = Surroundings(period=0.0)
    surroundings.look(run, state)
    time.sleep(LOOK_SECONDS)
    return verdict_line(state, status, surroundings.look(run, state))


def _verdicts(state: State) -> str:
    """What limited it, from when to when."""
    rows = [["since", "for", "verdict", "numbers"]]
    rows += [
        [clock(each.since), duration(each.seconds), each.word, each.said] for each in state.verdicts
    ]
    return table(rows, right=(1,)) if state.verdicts else "No epoch has ended yet."


def _status_at(run: RunDirectory, at: str) -> tuple[State, Status, float]:
    """State and status of a run after event `at`, a number, or at a time; and when that was."""
    then = _then(run, at)
    if not then.state.seq:
        raise UsageError(f"The log of {run.path} begins after {at}.",
                         hint=f"`atft timeline {run.path}` lists what happened.")  # fmt: skip
    return then.state, then.status(run.holder()), then.t


def _then(run: RunDirectory, at: str) -> Then:
    try:
        if at.isdecimal():
            return state_then(run, seq=int(at))
        return state_then(run, t=min(time.time(), parse_time(at, newest_time(run))))
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise RunDirectoryError(f"{run.events} is damaged before {at}: {error}.") from error


def _show_all(
    directories: Sequence[Path], runs: Sequence[RunDirectory], *, every: bool, as_json: bool
) -> None:
    kept = [run for run in runs if every or not read_notes(run).archived]
    if as_json:
        print_json({"runs": [_one_of_many(run) for run in kept]})
        return
    away = len(runs) - len(kept)
    if kept:
        say(_listing([listed(run) for run in kept]))
    elif not away:
        where = ", ".join(map(str, directories))
        say(f"No run in {where} or below it. Start one: atft run dry --data-path PANEL")
    if away:
        say(f"{several(away, 'archived run')} not shown (--all)")


def _listing(found: Sequence[Listed]) -> str:
    alike = all(each.judged_by == "rank_ic" for each in found)
    head = "RankIC" if alike else "best"
    rows = [["run", "stage", "state", "trials", head, "+-", "disk", "notes"]]
    for each in found:
        ended = "-" if each.ended is None else str(each.ended)
        cells = [each.stage or "ad hoc", each.status.name, f"{ended}/{each.planned}"]
        own = "" if alike else f"{metric_name(each.judged_by)} "
        best = f"{own}{signed(each.best)}" if each.best is not None else MISSING
        cells += [best, _plain(each.best_se), size(disk_use(each.run.path))]
        said = f"(archived) {each.note.line}" if each.archived else each.note.line
        rows.append([str(each.run.path), *cells, said])
    return table(rows, right=(3, 4, 5, 6))


def _one_of_many(run: RunDirectory) -> Json:
    """What `atft status --json` says of it; one damaged run must not hide the others."""
    try:
        state, status = read_status(run)
        found = status_json(run, state, status, verdict_line(state, status))
        json_text(found)  # which refuses NaN
    except (AtftError, OSError, *DAMAGE) as error:
        state, status = State(), Status("UNREADABLE", str(error).partition("\n")[0])
        return status_json(run, state, status, verdict_line(state, status))
    return found


def status_json(run: RunDirectory, state: State, status: Status, verdict: Diagnosis) -> Json:
    """The documented form of `atft status --json`."""
    notes = read_notes(run)
    with collecting_later():
        trials = [
            _trial_json(state, trial) | note_json(notes.of(trial.number))
            for trial in state.trials.values()
        ]
    return {
        "state": status.name,
        "reason": status.reason,
        "verdict": asdict(verdict),
        "stage": state.stage,
        "run_dir": str(run.path),
        "seq": state.seq,
        "study": state.study_name,
        "n_trials": state.n_trials,
        "max_epochs": state.max_epochs,
        "engine_pid": state.engine_pid if status.live else None,
        "started": state.started,
        "ended": state.ended or None,
        "best": state.best.number if state.best and not state.walks else None,
        "trials": trials,
        "split": state.split,
        "data": state.facts,
        "significance": state.significance,
        "walk": state.walk,
        "preflight": state.preflight,
        "override": state.override,
        "archived": notes.archived,
        "disk_bytes": disk_use(run.path),
        **note_json(notes.run),
        "alerts": [_alert(alert) for alert in state.alerts],
    }


def _alert(alert: Alert) -> Json:
    return {"t": alert.since, "level": alert.level, "text": alert.text, "key": alert.key,
            "ended": alert.ended, "trial": alert.trial}  # fmt: skip


def _trial_json(state: State, trial: Trial) -> Json:
    return {
        "number": trial.number,
        "state": trial.state,
        "epoch": len(trial.epochs),
        "value": state.measured(trial.value),
        "phase": trial.phase,
        "batch": trial.batch,
        "batches": trial.batches,
        "attempt": trial.attempt,
        "pid": trial.pid or None,
        "node": trial.node or None,
        "params": trial.params,
        "reason": trial.reason,
    }


def _stage(state: State) -> str:
    return state.stage or "ad hoc"


def _summary(state: State, status: Status, now: float, disk: int | None) -> str:
    spent = duration(state.spent(now if status.live else state.ended or state.t))
    data = panel_in_brief(state.facts)
    cost = spent if disk is None else f"{spent}, {size(disk)} on disk"
    nodes = f"\n{cluster_line(state.nodes, state.slots)}" if state.nodes else ""
    return f"{data}, {scale(state.n_trials, state.max_epochs)}, {cost}{nodes}"


def _trials(state: State, notes: Notes) -> str:
    h, own = state.horizon, state.objective.removeprefix("-")
    names = ("rank_ic", "rank_ic_se", "ic") if own == "rank_ic" else (own, f"{own}_se")
    heads = {"rank_ic": f"RankIC h={h}", "ic": "IC"} | {f"{name}_se": "+-" for name in names}
    rows = [
        ["trial", "state", "epoch", *(heads.get(name, name) for name in names), "value", "note"]
    ]
    for trial in state.trials.values():
        cells = [trial.last(name, h) for name in names]
        shown = [signed(cell) for cell in [*cells, state.measured(trial.value)]]
        epoch = f"{len(trial.epochs)}/{state.max_epochs}"
        said = [part for part in (trial.reason or trial.phase, notes.of(trial.number).line) if part]
        word = trial_word(trial.state)
        rows.append([str(trial.number), word, epoch, *shown, "; ".join(said)])
    return table(rows, right=(0, *range(2, len(rows[0]) - 1)))


def _compared(state: State, best: Trial) -> str:
    """The best trial, its blend with LightGBM and the baselines, on the same days."""
    h = state.horizon
    last = best.epochs[-1].val.get(str(h), {}) if best.epochs else {}
    found = [(f"trial {best.number}", last.get("rank_ic"), last.get("rank_ic_se"))]
    if last.get("blend_rank_ic") is not None:
        found.append(("with lightgbm", last["blend_rank_ic"], last.get("blend_rank_ic_se")))
    baselines = state.baselines.get(str(h), {})
    found += [(name, b.get("rank_ic"), b.get("rank_ic_se")) for name, b in baselines.items()]
    rows = [["on the same days", f"RankIC h={h}", "+-"]]
    for name, rank_ic, spread in sorted(found, key=lambda row: -(finite(row[1]) or 0.0)):
        rows.append([name, signed(rank_ic), _plain(spread)])
    if finite(last.get("baseline_diff")) is not None:
        paired = f"less {last.get('baseline')}, day by day"
        gain, spread = last["baseline_diff"], last.get("baseline_diff_se")
        rows.append([paired, signed(gain), _plain(spread)])
    return table(rows, right=(1, 2))


def _plain(value: object) -> str:
    return fixed(finite(value), 4)


def _folds(walk: Json) -> str:
    rows = [["fold", "trained", "judged", "days", "RankIC", "+-", "t", "seeds"]]
    for fold in walk.get("folds", []):
        shown = [signed(fold.get("rank_ic")), _plain(fold.get("rank_ic_se"))]
        t = fold.get("rank_ic_t")
        spans = [" .. ".join(fold.get(part) or ("?", "?")) for part in ("train", "val")]
        last = ["-" if t is None else f"{t:.1f}", str(len(fold.get("trials", [])))]
        rows.append([str(fold.get("fold")), *spans, str(fold.get("days")), *shown, *last])
    return table(rows, right=(0, 3, 4, 5, 6, 7))
