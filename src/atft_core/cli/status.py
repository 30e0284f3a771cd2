"""What runs are doing, and whether their evidence is good enough."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from atft_core.cli.output import print_json, say, table
from atft_core.errors import AtftError, CriteriaNotMetError, RunDirectoryError, UsageError
from atft_core.run.checklist import bars, error, value
from atft_core.run.criteria import Result, Verdict, check, overall
from atft_core.run.directory import RunDirectory, find_runs
from atft_core.run.events import Json
from atft_core.run.narrate import stamp
from atft_core.run.runbook import Stage, load, stage_from_json
from atft_core.run.shipped import shipped
from atft_core.run.stages import Bar
from atft_core.run.state import State, Trial
from atft_core.run.status import Status, evidence, read_status
from atft_core.run.status import status as status_of
from atft_core.run.timeline import Then, newest_time, parse_time, state_then
from atft_core.run.wording import duration, finite, scale

GLYPH = {
    Verdict.PASS: "ok",
    Verdict.FAIL: "XX",
    Verdict.PENDING: "..",
    Verdict.UNKNOWN: "??",
}


def show_status(directory: Path, *, at: str = "", as_json: bool) -> None:
    """One run in detail, now or as it was, or one line for every run below `directory`."""
    if not directory.is_dir():
        raise UsageError(f"There is no directory {directory}.")
    if (directory / "run.json").exists():
        _show_one(RunDirectory(directory.absolute()), at=at, as_json=as_json)
    elif at:
        raise UsageError(f"--at is about one run, and {directory} is none.",
                         hint="Name its directory.")  # fmt: skip
    else:
        _show_all(directory, as_json=as_json)


def _show_one(run: RunDirectory, *, at: str, as_json: bool) -> None:
    run.facts()
    now = time.time()
    if at:
        state, status, now = _status_at(run, at)
    else:
        state, status = read_status(run)
    if as_json:
        print_json({**status_json(run, state, status), **({"at": now} if at else {})})
        return
    say(f"{run.path}" + (f" at {stamp(now)}, event {state.seq}" if at else ""))
    say(f"{_stage(state)}: {status.name}" + (f", {status.reason}" if status.reason else ""))
    say(_summary(state, status, now))
    for found in state.preflight:
        if not found.get("ok"):
            say(f"preflight {GLYPH[Verdict.FAIL]} {found.get('name')}: {found.get('detail')}")
    if state.trials:
        say(_trials(state))
    if state.best and state.baselines and not state.walks:
        say(_compared(state, state.best))
    if state.walk:
        say(_folds(state.walk))
        say(f"Walk-forward, {state.walk.get('said', '')}.")
    if state.significance:
        say(f"Best: {state.significance.get('said', '')}.")
    for t, level, text in state.alerts[-5:]:
        say(f"{time.strftime('%H:%M:%S', time.localtime(t))} {level}: {text}")


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


def _show_all(directory: Path, *, as_json: bool) -> None:
    runs = [(run, *_readable(run)) for run in find_runs(directory)]
    if as_json:
        print_json({"runs": [status_json(*found) for found in runs]})
        return
    if not runs:
        say(f"No run in {directory} or below it. Start one: atft run dry --data-path PANEL")
        return
    rows = [["run", "stage", "state", "trials", "best"]]
    for run, state, status in runs:
        ended = sum(trial.ended > 0 for trial in state.trials.values())
        cells = [_stage(state), status.name, f"{ended}/{state.n_trials}", _signed(_best(state))]
        rows.append([str(run.path), *cells])
    say(table(rows, right=(3, 4)))


def _best(state: State) -> float | None:
    """The value of the best trial; of a walk-forward, which has none, that of all folds."""
    if state.walks:
        pooled = state.walk.get("pooled", {}).get(str(state.horizon), {})
        return finite(pooled.get("rank_ic"))
    return state.best.value if state.best else None


def _readable(run: RunDirectory) -> tuple[State, Status]:
    """State and status; one damaged run must not hide the others."""
    try:
        return read_status(run)
    except (AtftError, OSError) as error:
        return State(), Status("UNREADABLE", str(error).partition("\n")[0])


def status_json(run: RunDirectory, state: State, status: Status) -> Json:
    """The documented form of `atft status --json`."""
    return {
        "state": status.name,
        "reason": status.reason,
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
        "trials": [_trial_json(trial) for trial in state.trials.values()],
        "split": state.split,
        "data": state.facts,
        "significance": state.significance,
        "walk": state.walk,
        "preflight": state.preflight,
        "override": state.override,
        "alerts": [{"t": t, "level": level, "text": text} for t, level, text in state.alerts],
    }


def _trial_json(trial: Trial) -> Json:
    return {
        "number": trial.number,
        "state": trial.state,
        "epoch": len(trial.epochs),
        "value": trial.value,
        "phase": trial.phase,
        "batch": trial.batch,
        "batches": trial.batches,
        "attempt": trial.attempt,
        "pid": trial.pid or None,
        "params": trial.params,
        "reason": trial.reason,
    }


def _stage(state: State) -> str:
    return state.stage or "ad hoc"


def _summary(state: State, status: Status, now: float) -> str:
    end = now if status.live else state.ended or state.t
    spent = end - state.started if state.started else 0.0
    data = f"{state.facts.get('stocks', '?')} stocks x {state.facts.get('days', '?')} days"
    return f"{data}, {scale(state.n_trials, state.max_epochs)}, {duration(spent)}"


def _trials(state: State) -> str:
    h = state.horizon
    rows = [["trial", "state", "epoch", f"RankIC h={h}", "+-", "IC", "value", "note"]]
    for trial in state.trials.values():
        cells = [trial.last(name, h) for name in ("rank_ic", "rank_ic_se", "ic")]
        shown = [f"{cell:+.4f}" if cell is not None else "-" for cell in [*cells, trial.value]]
        epoch = f"{len(trial.epochs)}/{state.max_epochs}"
        rows.append([str(trial.number), trial.state, epoch, *shown, trial.reason or trial.phase])
    return table(rows, right=(0, 2, 3, 4, 5, 6))


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
        rows.append([name, _signed(rank_ic), _plain(spread)])
    if finite(last.get("baseline_diff")) is not None:
        paired = f"less {last.get('baseline')}, day by day"
        gain, spread = last["baseline_diff"], last.get("baseline_diff_se")
        rows.append([paired, _signed(gain), _plain(spread)])
    return table(rows, right=(1, 2))


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _folds(walk: Json) -> str:
    rows = [["fold", "trained", "judged", "days", "RankIC", "+-", "t", "seeds"]]
    for fold in walk.get("folds", []):
        shown = [_signed(fold.get("rank_ic")), _plain(fold.get("rank_ic_se"))]
        t = fold.get("rank_ic_t")
        spans = [" .. ".join(fold.get(part) or ("?", "?")) for part in ("train", "val")]
        last = ["-" if t is None else f"{t:.1f}", str(len(fold.get("trials", [])))]
        rows.append([str(fold.get("fold")), *spans, str(fold.get("days")), *shown, *last])
    return table(rows, right=(0, 3, 4, 5, 6, 7))


def check_run(run_dir: Path, *, stage: str, runbook: Path | None, as_json: bool) -> int:
    """Judge a run by its stage's criteria."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    held = run.holder()
    state = evidence(run)
    status = status_of(state, held, time.time())
    spec = _spec(state, stage, runbook)
    results = check(state, spec)
    verdict = overall(results)
    if as_json:
        criteria = [asdict(result) for result in results]
        print_json({"verdict": verdict.value, "stage": spec.key, "state": status.name,
                    "ad_hoc": not state.stage, "criteria": criteria})  # fmt: skip
    else:
        say(checklist(results, spec.gate))
        say(f"{spec.title}: {verdict.value} (run {status.name})")
    return 0 if verdict is Verdict.PASS else CriteriaNotMetError.exit_code


def _spec(state: State, stage: str, runbook: Path | None) -> Stage:
    if stage or runbook is not None:
        return load(runbook or shipped("runbook.toml")).stage(stage or state.stage)
    if not state.stage_spec:
        raise UsageError(
            "This is an ad hoc run: it belongs to no stage and opens no gate.",
            hint="Judge it by the criteria of a stage with --stage dry.",
        )
    return stage_from_json(state.stage_spec)


def checklist(results: Sequence[Result], gate: Bar) -> str:
    """The criteria as aligned lines, sections apart."""
    rows = [_row(result, gate) for result in results]
    texts = table(rows, right=(2,)).splitlines()
    lines: list[str] = []
    section = ""
    for result, text in zip(results, texts, strict=True):
        if result.section != section:
            section = result.section
            lines.append(section)
        lines.append(f"  {text}")
    return "\n".join(lines)


def _row(result: Result, gate: Bar) -> list[str]:
    horizon = f" h={result.horizon}" if result.horizon is not None else ""
    verdict = f"{GLYPH[result.verdict]} {result.verdict.value}"
    return [verdict, f"{result.title}{horizon}", value(result), bars(result, gate),
            error(result), result.note]  # fmt: skip
