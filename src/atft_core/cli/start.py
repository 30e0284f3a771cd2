"""Starting runs: a stage of the runbook, or an ad hoc search."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from atft_core import launch
from atft_core.cli.follow import follow
from atft_core.cli.output import ProgressLine, print_json, say
from atft_core.command.files import fingerprint
from atft_core.config.keys import DESCRIPTIONS, dump
from atft_core.config.load import Resolved, resolve
from atft_core.config.schema import Config
from atft_core.engine.chain import stage_values
from atft_core.engine.create import refuse_twin
from atft_core.engine.plan import plan_stage, unmeasurable
from atft_core.engine.prepare import prepare
from atft_core.errors import UsageError
from atft_core.run import allowed
from atft_core.run.directory import check_name, free_path
from atft_core.run.events import Json
from atft_core.run.foreign import clean
from atft_core.run.runbook import Runbook, Stage, load
from atft_core.run.shipped import shipped
from atft_core.run.user import absolute
from atft_core.run.wording import panel_in_brief, scale


@dataclass(frozen=True)
class StageRequest:
    """`atft run` as it was typed."""

    stage: str
    runbook: Path | None
    config_files: tuple[Path, ...]
    data_path: Path | None
    assignments: tuple[str, ...]
    then: str
    until: str
    override: str
    storage: str | None = None
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdHocRequest:
    """`atft hpo` as it was typed."""

    output_dir: Path
    data_path: Path | None
    n_trials: int | None
    max_epochs: int | None
    study_name: str | None
    config_files: tuple[Path, ...]
    assignments: tuple[str, ...]
    until: str
    storage: str | None = None
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class WalkRequest:
    """`atft walkforward` as it was typed."""

    ad_hoc: AdHocRequest
    folds: int
    window: str
    seeds: int


def run_stage(asked: StageRequest, *, detach: bool, as_json: bool) -> int:
    """Start a stage and follow it; the exit code says whether its criteria are met."""
    runbook, stage = _find(asked)
    resolved = _resolve_stage(asked, runbook, stage)
    for warning in [*unmeasurable(stage), *_never_followed(asked, runbook, stage)]:
        say(f"warning: {warning}", to=sys.stderr)
    if asked.then:
        _allow_command(_resolve_stage(asked, runbook, runbook.stage(asked.then)).config)
    spec = _spec(resolved, stage.output_dir, asked.until) | {
        "stage": stage.key,
        "runbook": str(runbook.path.absolute()),
        "override": asked.override.strip(),
        "then": asked.then,
    }
    return _start(resolved, spec, demo=runbook.demo, detach=detach, as_json=as_json)


def run_ad_hoc(asked: AdHocRequest, *, detach: bool, as_json: bool) -> int:
    """Start a search that belongs to no stage and follow it."""
    resolved = _resolve_ad_hoc(asked)
    spec = _spec(resolved, asked.output_dir, asked.until)
    return _start(resolved, spec, demo=False, detach=detach, as_json=as_json)


def run_walk(asked: WalkRequest, *, detach: bool, as_json: bool) -> int:
    """Start a walk-forward, which is a grid of folds and seeds, and follow it."""
    folds = {"split.folds": asked.folds, "split.fold": 0, "split.window": asked.window}
    first = _resolve_ad_hoc(asked.ad_hoc, folds).config.train.seed
    trials = asked.folds * asked.seeds
    flags = {
        **folds,
        "engine.sampler": "grid",
        "engine.n_trials": trials,
        "engine.keep_predictions": trials,
        "search": {  # every fold once before the second seed: a run that is cut short has them all
            "train.seed": {"choices": list(range(first, first + asked.seeds))},
            "split.fold": {"choices": list(range(asked.folds))},
        },
    }
    resolved = _resolve_ad_hoc(asked.ad_hoc, flags)
    spec = _spec(resolved, asked.ad_hoc.output_dir, asked.ad_hoc.until)
    return _start(resolved, spec, demo=False, detach=detach, as_json=as_json)


def _resolve_ad_hoc(asked: AdHocRequest, flags: Mapping[str, Any] | None = None) -> Resolved:
    typed: dict[str, Any] = {
        "data.path": str(asked.data_path) if asked.data_path else None,
        "engine.n_trials": asked.n_trials,
        "train.max_epochs": asked.max_epochs,
        "engine.study_name": asked.study_name,
        "engine.storage": asked.storage,
    }
    if asked.study_name is not None:
        check_name(asked.study_name, "The study name")
    given = {key: value for key, value in typed.items() if value is not None}
    return resolve(
        config_files=asked.config_files,
        assignments=asked.assignments,
        flags=given | dict(flags or {}),
        plugins=asked.plugins,
    )


def show_plan(asked: StageRequest, *, as_json: bool) -> int:
    """Say what a stage would run, on what, for how long, and whether its gate is open."""
    runbook, stage = _find(asked)
    deadline(asked.until, datetime.now())
    resolved = _resolve_stage(asked, runbook, stage)
    progress = ProgressLine()
    words = _typed(asked, runbook)
    plan = plan_stage(
        runbook, stage, resolved.config, resolved.origins, progress=progress, words=words
    )
    progress.close()
    plan["command"] = launch.shown(*words)
    if as_json:
        print_json(plan)
    else:
        _print_plan(plan)
    return 0


def _print_plan(plan: Json) -> None:
    data, gate = plan["data"], plan["gate"]
    say(f"{plan['title']}: {scale(plan['trials'], plan['epochs'])}")
    say(f"data    {data['path']}  {panel_in_brief(data)}")
    for name in ("train", "val", "holdout") if plan["split"] else ():
        first, last = plan["split"][name]
        say(f"{name:<7} {first} .. {last}  {plan['split'][f'{name}_days']} days")
    for file in plan["settings"].get("plugins.files", [[]])[0]:
        say(f"plug-in {file}")
    say(f"output  {plan['output_dir']}")
    say(f"gate    {'open' if gate['open'] else 'closed'}: {gate['reason']}")
    for warning in plan["warnings"]:
        say(f"warning {clean(warning)}")
    say(f"start   {plan['command']}")


def _find(asked: StageRequest) -> tuple[Runbook, Stage]:
    runbook = load(asked.runbook or shipped("runbook.toml"))
    if not asked.stage:
        known = [f"{s.key} ({s.title}: {scale(s.n_trials, s.max_epochs)})" for s in runbook.stages]
        raise UsageError(
            f"Which stage? {runbook.path.name} has {', '.join(known)}.",
            hint=f"Start the first with `{_first(asked, runbook)}`.",
        )
    if asked.then:
        _check_then(asked, runbook.stage(asked.then))
    return runbook, runbook.stage(asked.stage)


def _first(asked: StageRequest, runbook: Runbook) -> str:
    """The command that starts the first stage, with all that was typed."""
    first = runbook.stages[0]
    words = _typed(replace(asked, stage=first.key), runbook)
    needs_panel = not first.command and asked.data_path is None
    return launch.shown(*words, *(["--data-path", "FILE"] if needs_panel else []))


def _check_then(asked: StageRequest, after: Stage) -> None:
    """UsageError unless `after` can open on what this stage will show."""
    if after.key == asked.stage:
        raise UsageError(f"--then {after.key} is the stage itself.", hint="Name the next one.")
    if after.requires not in ("", asked.stage):
        raise UsageError(
            f"--then {after.key} cannot follow {asked.stage}: "
            f"it needs evidence of {after.requires!r}.",
            hint=f"Name the stage that requires {asked.stage!r}.",
        )


def _never_followed(asked: StageRequest, runbook: Runbook, stage: Stage) -> Iterator[str]:
    """Better known now than at the end of the night."""
    if asked.then and unmeasurable(stage) and runbook.stage(asked.then).requires == stage.key:
        yield f"so --then {asked.then} will not start: this run cannot open its gate here"


def _resolve_stage(asked: StageRequest, runbook: Runbook, stage: Stage) -> Resolved:
    overlay: dict[str, Any] = {section: dict(keys) for section, keys in runbook.config.items()}
    for key, value in stage_values(stage).items():
        section, _, name = key.partition(".")
        overlay.setdefault(section, {})[name] = value
    typed = {"data.path": asked.data_path, "engine.storage": asked.storage}
    return resolve(
        config_files=asked.config_files,
        runbook=overlay,
        runbook_name=runbook.path.name,
        assignments=asked.assignments,
        flags={key: str(value) for key, value in typed.items() if value},
        plugins=(*runbook.plugins, *asked.plugins),
    )


def _typed(asked: StageRequest, runbook: Runbook) -> list[str]:
    """The command that starts this request."""
    words = ["run", asked.stage]
    if runbook.path != shipped("runbook.toml"):
        words += ["--runbook", str(runbook.path)]
    for file in asked.config_files:
        words += ["--config", str(file)]
    words += ["--data-path", str(asked.data_path)] if asked.data_path else []
    for assignment in asked.assignments:
        words += ["--set", assignment]
    for plugin in asked.plugins:
        words += ["--plugin", plugin]
    extra = {"--then": asked.then, "--until": asked.until, "--override-gate": asked.override,
             "--storage": asked.storage or ""}  # fmt: skip
    for option, text in extra.items():
        words += [option, text] if text else []
    return words


def _spec(resolved: Resolved, output_dir: Path, until: str) -> Json:
    return {
        "config": dump(resolved.config),
        "origins": {key: resolved.origins.get(key, "default") for key in DESCRIPTIONS},
        "output_dir": str(absolute(output_dir)),
        "until": deadline(until, datetime.now()),
        "argv": sys.argv,
        "environment": [[n.name, n.value, n.status, n.detail] for n in resolved.notices],
    }


def _start(resolved: Resolved, spec: Json, *, demo: bool, detach: bool, as_json: bool) -> int:
    """Find what is wrong here, where progress can be shown; then hand over to the engine."""
    free_path(Path(spec["output_dir"]))
    refuse_twin(Path(spec["output_dir"]))
    for notice in resolved.notices:
        say(f"environment: {notice.name}={notice.value} {notice.status} ({notice.detail})",
              to=sys.stderr)  # fmt: skip
    progress = ProgressLine()
    try:
        prepare(resolved.config, demo=demo, progress=progress)
    finally:
        progress.close()
    _allow_command(resolved.config)
    run_dir = launch.start_engine(spec)
    if as_json:
        print_json({"run_dir": str(run_dir)})
    if not detach:
        return follow(run_dir, quiet=as_json)
    if not as_json:
        say(f"The run goes on by itself. Watch it: atft-tui {run_dir}")
    return 0


def _allow_command(config: Config) -> None:
    """Whoever types a start means the program that it names."""
    if config.command.argv:
        allowed.allow_program(fingerprint(config, Path.cwd()))


def deadline(text: str, now: datetime) -> float | None:
    """`07:00` (the next one) or an ISO date and time, as seconds since the epoch.

    `now` is the local time without a zone: only then is 07:00 what the clock on the wall shows,
    also in the night in which it is changed.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _clock_time(text, now)
    try:
        t = moment.timestamp()
    except (OverflowError, OSError, ValueError) as error:
        raise UsageError(f"--until {text} lies outside the calendar.") from error
    if t <= now.timestamp():
        raise UsageError(f"--until {text} lies in the past.")
    return t


def _clock_time(text: str, now: datetime) -> datetime:
    try:
        clock = time.strptime(text, "%H:%M")
    except ValueError as error:
        raise UsageError(
            f"--until {text!r} is no time.", hint="Write 07:00 or 2026-11-26T07:00"
        ) from error
    moment = now.replace(hour=clock.tm_hour, minute=clock.tm_min, second=0, microsecond=0)
    return moment if moment > now else moment + timedelta(days=1)
