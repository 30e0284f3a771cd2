"""Read a runbook: the stages of an experiment, their criteria and remedies, as TOML.

A runbook that is wrong in any place is refused as a whole, with the file, the key and the fix.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import cast, get_args

from atft_core.errors import UsageError
from atft_core.run import plugins
from atft_core.run.directory import NAME
from atft_core.run.judge.criteria import CRITERIA, Criterion, of_metric
from atft_core.run.judge.rules import RULES
from atft_core.run.shipped import shipped
from atft_core.run.stages import (
    Bar,
    CriterionSpec,
    Remedy,
    RuleSpec,
    Runbook,
    Stage,
    nearest_first,
    stage_from_json,
    stage_to_json,
)
from atft_core.run.tables import Table, TableReader, parse
from atft_core.run.user import expanded

__all__ = [
    "CriterionSpec", "Remedy", "Runbook", "Stage", "load", "stage_from_json",
    "stage_to_json",
]  # fmt: skip

_DOTTED = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")
_STALL = CriterionSpec("stall_share", "waiting for data", "infrastructure", 0.10, 0.02)
"""Twin of the GPU criterion on a box without NVML, from the step timers."""


def load(path: Path) -> Runbook:
    """The runbook in `path`; a UsageError names the file, the key and the fix.

    `extends` names a runbook beside it (or a shipped one) whose tables hold where it has none.
    A path that is no file may be the name of a shipped runbook, as `cpu`.
    """
    if not path.exists() and not path.suffix and path == Path(path.name):
        path = shipped(f"{path.name}.toml")
    reader = TableReader(path, "", _extended(path))
    name = reader.take("name", str, path.stem)
    demo = reader.take("demo", bool, default=False)
    profile = reader.sub("profile", reader.take("profile", dict, {}))
    gpu = profile.choice("gpu", ("nvml", "stall_share"), "nvml")
    profile.done()
    given = reader.take("config", dict, {})
    sections = reader.sub("config", given)
    config = {section: sections.take(section, dict) for section in given}
    own = _plugins(reader, path.parent)
    tables = reader.tables("stage")
    reader.done()
    if not tables:
        raise reader.error("it has no stage.", "Add a [[stage]] with key, title, hotkey ...")
    stages: list[Stage] = []
    for table in tables:
        stages.append(_stage(reader.sub(f"stage {table.get('key', '?')!r}", table), gpu, stages))
    return Runbook(path, name, demo, tuple(stages), config, own)


def _extended(path: Path) -> Table:
    """The tables of a file over those of the one that it extends, and so on."""
    table, place, passed = parse(path), path, [path.resolve()]
    while "extends" in table:
        base = place.parent / str(table.pop("extends"))
        try:
            place = base if base.exists() else shipped(base.name)
        except UsageError as error:
            raise UsageError(
                f"{place}: extends = {base.name!r}: there is no such runbook.",
                hint="One beside it, or runbook.toml, cpu.toml, demo.toml.",
            ) from error
        if place.resolve() in passed:
            raise UsageError(f"{path}: {place} extends itself.", hint="Leave `extends` out there.")
        passed.append(place.resolve())
        table = parse(place) | table
    return table


def _plugins(reader: TableReader, directory: Path) -> tuple[str, ...]:
    """Files with criteria of its own, beside it unless said otherwise; they are to be had now."""
    found = [directory / expanded(Path(name)) for name in reader.texts("plugins")]
    for path in found:
        try:
            plugins.load(plugins.read(path))
        except UsageError as error:
            raise reader.error(f"plugins: {error.message}", error.hint) from error
    return tuple(str(path.absolute()) for path in found)


def _stage(reader: TableReader, gpu: str, before: list[Stage]) -> Stage:
    """One stage; it may only require one that stands above it."""
    stage = Stage(
        key=reader.name("key"),
        title=reader.take("title", str),
        hotkey=reader.take("hotkey", str),
        study_name=reader.name("study_name"),
        output_dir=_output_dir(reader),
        n_trials=reader.count("n_trials"),
        max_epochs=reader.count("max_epochs"),
        requires=reader.take("requires", str, ""),
        gate=cast(Bar, reader.choice("gate", get_args(Bar), "minimum")),
        criteria=tuple(
            _criterion(reader.sub(f"criterion {table.get('name', '?')!r}", table), gpu)
            for table in reader.tables("criteria")
        ),
        remedies=tuple(
            _remedy(reader.sub(f"remedy {table.get('title', '?')!r}", table))
            for table in reader.tables("remedies")
        ),
        rules=tuple(
            _rule(reader.sub(f"rule {table.get('name', '?')!r}", table))
            for table in reader.tables("rules")
        ),
        command=tuple(reader.texts("command")),
    )
    reader.done()
    _check_stage(reader, stage, before)
    return stage


def _output_dir(reader: TableReader) -> Path:
    try:
        return expanded(Path(reader.take("output_dir", str)))
    except UsageError as error:
        raise reader.error(f"output_dir: {error.message}", error.hint) from error


def _check_stage(reader: TableReader, stage: Stage, before: list[Stage]) -> None:
    if not NAME.fullmatch(stage.output_dir.name):
        raise reader.error(
            f"output_dir = {str(stage.output_dir)!r} does not end in a valid name.",
            'For instance output_dir = "output/hpo_dryrun"',
        )
    if len(stage.hotkey) != 1 or not stage.hotkey.isprintable() or stage.hotkey.isspace():
        raise reader.error(
            f"hotkey = {stage.hotkey!r} is not one key.", 'For instance hotkey = "d"'
        )
    for key in ("key", "hotkey", "study_name", "output_dir"):
        for other in before:
            if _compared(getattr(other, key)) == _compared(getattr(stage, key)):
                raise reader.error(
                    f"{key} = {str(getattr(stage, key))!r} is taken by stage {other.key!r}.",
                    f"Give each stage its own {key}.",
                )
    known = [other.key for other in before]
    if stage.requires and stage.requires not in known:
        raise reader.error(
            f"requires = {stage.requires!r} names no stage above it.",
            f"Use {', '.join(map(repr, nearest_first(stage.requires, known)))}, "
            "or leave it out." if known else "The first stage requires none.",
        )  # fmt: skip
    names = [spec.name for spec in stage.criteria]
    rules = [rule.name for rule in stage.rules]
    if len(set(rules)) < len(rules):
        raise reader.error("a rule stands there twice.", "Give one row per rule.")
    if not names or len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise reader.error(
            f"criteria name {', '.join(twice)} twice." if twice else "it has no criteria.",
            "Give one row per criterion: { name = ..., minimum = ... }",
        )


def _compared(value: str | Path) -> str:
    """Two spellings of one directory are one directory."""
    return str(value.resolve()) if isinstance(value, Path) else value


def _criterion(reader: TableReader, gpu: str) -> CriterionSpec:
    name = reader.take("name", str)
    there = {**plugins.table("CRITERIA"), **CRITERIA}
    criterion: Criterion | None = there.get(name) or of_metric(name)
    if criterion is None:
        known = ", ".join(nearest_first(name, [*there, "above.METRIC", "below.METRIC"]))
        raise reader.error(f"name = {name!r} is no criterion.", f"Known criteria: {known}.")
    spec = CriterionSpec(
        name=name,
        title=reader.take("title", str, criterion.title),
        section=reader.take("section", str, criterion.section),
        minimum=reader.take("minimum", float, None),
        target=reader.take("target", float, None),
        horizon=_horizon(reader, criterion, named=name in there),
    )
    reader.done()
    _check_bars(reader, spec, criterion)
    return _STALL if name == "gpu_utilisation" and gpu == "stall_share" else spec


def _horizon(reader: TableReader, criterion: Criterion, *, named: bool) -> int | None:
    """Of which the number is; without it, of any metric that is told, the objective's."""
    if not criterion.needs_horizon:
        return None
    return reader.count("horizon") if named or reader.has("horizon") else None


def _check_bars(reader: TableReader, spec: CriterionSpec, criterion: Criterion) -> None:
    low, high = spec.minimum, spec.target
    if not all(math.isfinite(bar) for bar in (low, high) if bar is not None):
        raise reader.error("a bar is not a finite number.", "Write a number such as 0.04.")
    if low is None and high is None:
        raise reader.error("it has no bar.", "Add minimum = ... or target = ... or both.")
    if low is None or high is None:
        return
    easier = {">": high < low, ">=": high < low, "<": high > low, "<=": high > low}
    if easier.get(criterion.comparison, high != low):
        raise reader.error(
            f"target = {high:g} asks for less than minimum = {low:g}, or for something else "
            f"(the value must be {criterion.comparison} the bar).",
            "Exchange them, or leave one out.",
        )


def _rule(reader: TableReader) -> RuleSpec:
    name = reader.choice("name", tuple(RULES), "")
    bar = RULES[name].bar
    rule = RuleSpec(
        name=name,
        after=reader.take("after", float),
        bar=0.0 if bar is None else reader.take("bar", float, bar),
        acts=reader.take("acts", bool, default=False),
    )
    reader.done()
    if not 0 < rule.after < 1 or not math.isfinite(rule.bar):
        raise reader.error(
            f"after = {rule.after:g}, bar = {rule.bar:g}: not a share and a number.",
            "after is a share of the epochs (or trials) between 0 and 1, for instance 0.33.",
        )
    return rule


def _remedy(reader: TableReader) -> Remedy:
    remedy = Remedy(
        title=reader.take("title", str),
        text=reader.take("text", str),
        values=reader.take("values", dict),
    )
    reader.done()
    for key, value in remedy.values.items():
        if not _DOTTED.fullmatch(key) or isinstance(value, dict):
            raise reader.error(
                f"values: {key!r} is not a dotted config key.",
                'Quote it: values = { "loss.spearman" = 0.1 }',
            )
    return remedy
