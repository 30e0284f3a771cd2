"""Gates: a stage opens when the stage before it has evidence that was made under the same rules."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atft_core.errors import AtftError
from atft_core.run.directory import RunDirectory, siblings
from atft_core.run.events import Json
from atft_core.run.judge.checklist import bar, value
from atft_core.run.judge.criteria import Result, Verdict, check, overall
from atft_core.run.shipped import typed
from atft_core.run.stages import Runbook, Stage, stage_from_json
from atft_core.run.state import State
from atft_core.run.status import evidence
from atft_core.run.wording import scale, several

Differing = Callable[[RunDirectory], str]
"""How the settings of a run differ from those of the one to start, in words."""


@dataclass(frozen=True)
class Gate:
    """Whether a stage may start, why, and on whose evidence."""

    open: bool
    reason: str
    evidence: Path | None = None
    results: tuple[Result, ...] = ()


def gate(
    runbook: Runbook,
    stage: Stage,
    identity: Json | None,
    differing: Differing | None = None,
    words: Sequence[str] = (),
) -> Gate:
    """The gate of `stage`: the newest finished run of the stage before decides.

    Only a run with the same data, configuration (but trials and epochs) and code counts, demo
    for demo. `identity` None (the console, which has not read the panel): these are not compared.
    `differing` tells which settings those of another configuration are. `words`: the command that
    was typed; what it says of data and settings is said of the stage before as well.
    """
    if not stage.requires:
        return Gate(True, "no stage comes before it")
    before = runbook.stage(stage.requires)
    passed_over: list[str] = []
    for run, state, fault in _runs(before):
        excuse = fault or _strange(state, runbook) or _difference(run, state, identity, differing)
        if not excuse:
            return _decide(runbook, stage, run, state, words, compared=identity is not None)
        goes_on = f"; `atft resume {run.path}` goes on" if state.end_state == "STOPPED" else ""
        passed_over.append(f"{run.path}: {excuse}{goes_on}")
    seen = f" ({'; '.join(passed_over)})" if passed_over else f" in {before.output_dir}"
    ways = _ways(runbook, stage, before, words)
    return Gate(False, f"no run of {before.title!r} counts{seen}. {ways}")


def _runs(before: Stage) -> Iterator[tuple[RunDirectory, State, str]]:
    """Runs in the stage's directory, newest first, and why one is no evidence at all."""
    for run in reversed(siblings(before.output_dir)):
        try:
            state = evidence(run)
            _own_stage(run, state)
        except (OSError, AtftError) as error:
            why = error.message if isinstance(error, AtftError) else error.strerror
            yield run, State(), f"cannot be read: {why}"
            continue
        yield run, state, _shortfall(state, before)


def _shortfall(state: State, before: Stage) -> str:
    """Why a run of the stage is no evidence, whatever its criteria say; empty when it is."""
    if state.stage != before.key:
        return f"is of stage {state.stage}" if state.stage else "was ad hoc"
    if state.end_state != "FINISHED":
        return f"ended as {state.end_state}" if state.end_state else "has not ended"
    if state.n_trials < before.n_trials or state.max_epochs < before.max_epochs:
        asked = scale(before.n_trials, before.max_epochs)
        return f"was {scale(state.n_trials, state.max_epochs)}, not {asked}"
    return state.doubt


def following(runbook: Runbook, stage: Stage | None) -> Stage | None:
    """The stage that a run of `stage` opens."""
    opened = (later for later in runbook.stages if stage and later.requires == stage.key)
    return next(opened, None)


def still_needs(
    runbook: Runbook, stage: Stage | None, state: State, results: Sequence[Result]
) -> str:
    """What the stage after this run still needs from it: `full sweep: 2 open rows`."""
    after = following(runbook, stage)
    if stage is None or after is None:
        return ""
    missing = sum(result.verdict is not Verdict.PASS for result in results)
    if missing:
        return f"{after.title}: {several(missing, 'open row')}"
    shortfall = _shortfall(state, runbook.stage(stage.key)) or _strange(state, runbook)
    if shortfall:
        return f"{after.title}: the run {shortfall}" if state.run else f"{after.title}: no run"
    return f"{after.title}: no open row"


def _strange(state: State, runbook: Runbook) -> str:
    """Demo opens demo, and nothing else does."""
    if bool(state.identity.get("demo")) == runbook.demo:
        return ""
    return "has demo data" if state.identity.get("demo") else "has no demo data"


def _difference(
    run: RunDirectory, state: State, identity: Json | None, differing: Differing | None
) -> str:
    """What evidence must share with the run that it opens and does not; empty where it has all."""
    if identity is None:
        return ""
    wanted, had = identity, state.identity
    other = {key for key in ("data_hash", "config_hash", "code")
             if wanted.get(key) is None or had.get(key) != wanted[key]}  # fmt: skip
    said = []
    if "data_hash" in other:
        said.append("other data")
    if "config_hash" in other:
        which = differing(run) if differing else "start with the settings that it had"
        said.append(f"another configuration ({which})")
    if "code" in other:
        same = _program(had.get("code")) == _program(wanted.get("code"))
        said.append(_beside(had, wanted) if same else "another version of the code")
    return f"has {', '.join(said)}" if said else ""


def _beside(had: Json, wanted: Json) -> str:
    """Which plug-ins or scripts are others."""
    names: set[str] = set()
    for kind in ("plugins", "scripts"):
        found = (each.get(kind) for each in (had, wanted))
        sums, now = (each if isinstance(each, dict) else {} for each in found)
        names |= {name for name in {*sums, *now} if sums.get(name) != now.get(name)}
    which = ", ".join(sorted(names)) or "plug-ins or scripts"
    return f"another {which} (start it again with the files as they are)"


def _program(code: object) -> list[str]:
    """Version and sum of the program itself, without what runs beside it."""
    return str(code).split("+")[:2]


def _decide(
    runbook: Runbook,
    stage: Stage,
    run: RunDirectory,
    state: State,
    words: Sequence[str],
    *,
    compared: bool,
) -> Gate:
    before = runbook.stage(stage.requires)
    found, eased = tuple(check(state, before)), _failed_when_it_ran(run, state, before)
    unsaid = "" if compared else " (data, configuration and code are compared at the start)"
    if eased and overall(found, state) is Verdict.PASS:
        reason = (
            f"{before.title} in {run.path} passes by criteria that were changed since it ran; "
            f"by its own it has {'; '.join(eased)}{unsaid}."
        )
        return Gate(False, f"{reason} {_ways(runbook, stage, before, words)}", run.path, found)
    if overall(found, state) is Verdict.PASS:
        how = f" (itself started by an override: {state.override})" if state.override else ""
        return Gate(True, f"{before.title} passed in {run.path}{how}{unsaid}", run.path, found)
    unmet = [result for result in found if result.verdict is not Verdict.PASS]
    rows = [row(result, before) for result in unmet]
    reason = f"{before.title} in {run.path} has open criteria: {'; '.join(rows)}{unsaid}."
    return Gate(False, f"{reason} {_ways(runbook, stage, before, words, unmet)}", run.path, found)


def _own_stage(run: RunDirectory, state: State) -> Stage | None:
    """The stage as the runbook had it when the run was started; it may be damaged."""
    return stage_from_json(state.stage_spec, run.path) if state.stage_spec else None


def _failed_when_it_ran(run: RunDirectory, state: State, before: Stage) -> list[str]:
    """Open criteria by its own stage."""
    own = _own_stage(run, state) or before
    if (own.criteria, own.gate) == (before.criteria, before.gate):
        return []
    return [row(r, own) for r in check(state, own) if r.verdict is not Verdict.PASS]


def row(result: Result, stage: Stage) -> str:
    """One open criterion: verdict, value, bar, and where the value comes from."""
    found = "not measured" if result.value is None else value(result)
    wanted = bar(result, stage.gate)
    wanted = f" (wanted {wanted})" if wanted else ""
    source = f", {result.source}" if result.source else ""
    note = f", {result.note}" if result.note else ""
    horizon = "" if result.horizon is None else f" h{result.horizon}"
    return f"{result.verdict} {result.title}{horizon} {found}{wanted}{source}{note}"


def _ways(
    runbook: Runbook,
    stage: Stage,
    before: Stage,
    words: Sequence[str],
    unmet: Sequence[Result] = (),
) -> str:
    name, same = typed(runbook.path), _same_run(words)
    book = "" if name == "runbook" else f" --runbook {shlex.quote(name)}"
    blind = any(r.name == "gpu_utilisation" and r.verdict is Verdict.UNKNOWN for r in unmet)
    if blind:  # another run would show no more
        again = (
            f"Without NVML, judge the time spent waiting for data instead: `atft run {before.key} "
            f"--runbook cpu{same}`, then `atft run {stage.key} --runbook cpu{same}`"
        )
    else:
        again = f"Run `atft run {before.key}{book}{same}`"
    return f"{again}, or override with `atft run {stage.key}{book} --override-gate REASON{same}`."


def _same_run(words: Sequence[str]) -> str:
    """Of a command that was typed, what makes it this experiment: without it, it is another one."""
    left, found = iter(words), []
    for word in left:
        name, given, _ = word.partition("=")
        if name in ("--data-path", "--config", "--set", "--plugin"):
            found += [word] if given else [word, next(left, "")]
    return "".join(f" {shlex.quote(word)}" for word in found)
