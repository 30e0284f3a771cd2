"""The process of a worker: its place and limits, and the environment that it was started with."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from atft_core.run.processes.alive import doing
from atft_core.run.processes.facts import hidden
from atft_core.run.settings.configuration import observed_by_key
from atft_core.run.settings.environ import GIVEN, IDLE, ORIGINAL, Inactive, matters, own_name
from atft_core.run.settings.setting import Mark, Setting, same, written
from atft_core.run.settings.sources import Sources
from atft_core.run.wording import size

_ENGINE = "engine"
_SHELL = "shell at the start"
_START = "start of the run"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Names that say how many threads compute."""


def process_settings(sources: Sources) -> Iterator[Setting]:
    """What a worker told about its process, and what is seen of it."""
    told, facts = sources.observed, sources.facts
    yield _compared("start method", "spawn", "atft", told.get("start_method"))
    yield _compared("code", facts.get("code"), _START, told.get("code"))
    versions = facts.get("versions")
    torch = versions.get("torch") if isinstance(versions, dict) else None
    yield _compared("torch", torch, _START, _release(told.get("torch"), torch))
    worker, engine = sources.worker, sources.engine
    if worker is None:
        return
    python = _resolved(facts.get("executable"))
    yield _compared("python", python, _START, worker.executable or None)
    if sources.edited:
        yield Setting("process", "config.toml", "as written", _START, worker="edited",
                      mark=Mark.DIFFERS, note="the next worker refuses it")  # fmt: skip
    yield _compared("nice", engine and engine.nice, _ENGINE, worker.nice)
    yield _compared("cores allowed", engine and engine.cores, _ENGINE, worker.cores)
    yield Setting("process", "CPU limit", worker=_or_none(worker.cpu_limit, "cores"))
    limit = None if worker.memory_limit is None else size(worker.memory_limit)
    yield Setting("process", "memory limit", worker=limit or "none")
    yield Setting("process", "threads, all", worker=worker.threads)
    yield Setting("process", "state", worker=f"{worker.letter}, {doing(worker.letter)}")


def _release(version: object, installed: object) -> object:
    """Torch itself also names its build, as 2.13.0+cu130; the package it came in may not."""
    named = isinstance(version, str) and "+" in version
    return str(version).partition("+")[0] if named and "+" not in str(installed) else version


def _resolved(path: object) -> str | None:
    """Where a path leads, as the kernel names a program."""
    with suppress(OSError, ValueError):
        return str(Path(path).resolve()) if isinstance(path, str) else None
    return None


def _or_none(value: float | None, unit: str) -> str:
    return "none" if value is None else f"{value:g} {unit}"


def _compared(key: str, requested: object, origin: str, worker: object) -> Setting:
    setting = Setting("process", key, requested, origin if requested is not None else "",
                      worker=worker)  # fmt: skip
    if requested is None or worker is None or same(requested, worker):
        return setting
    return replace(setting, mark=Mark.DIFFERS, note=f"it is another than that of the {origin}")


# The environment.


def environment_settings(sources: Sources) -> Iterator[Setting]:
    """Every name that may change a run, wherever it is set."""
    at_start = _at_start(sources)
    engine = sources.engine.environ if sources.engine else {}
    worker = sources.worker.environ if sources.worker else {}
    keys = {own_name(key): key for key in sources.requested.values}
    for name in sorted({*at_start, *filter(matters, {*engine, *worker})}):
        asked, origin = _asked(name, at_start, engine)
        setting = Setting("environment", name, asked, origin, worker=worker.get(name))
        rule = ORIGINAL.get(name)
        key = keys.get(name, "" if rule is None or isinstance(rule, Inactive) else rule.key)
        if key:
            yield _of_key(setting, key, sources)
        elif isinstance(rule, Inactive):
            yield replace(setting, mark=Mark.INACTIVE, note=rule.why)
        else:
            yield _inherited(setting, sources)


def _at_start(sources: Sources) -> dict[str, str]:
    """The names that the run was started with, as run.json keeps them."""
    found = sources.facts.get("environment")
    rows = [row for row in found if isinstance(row, list) and len(row) > 1] if isinstance(
        found, list) else []  # fmt: skip
    return {str(name): hidden(str(name), str(value)) for name, value, *_ in rows}


def _asked(
    name: str, at_start: Mapping[str, str], engine: Mapping[str, str]
) -> tuple[str | None, str]:
    if name in at_start:
        return at_start[name], _SHELL
    return (engine[name], _ENGINE) if name in engine else (None, "")


def _of_key(setting: Setting, key: str, sources: Sources) -> Setting:
    """A name that sets a key: it was read once, when the run was started, and never by a worker."""
    has = observed_by_key(sources).get(key, sources.values.get(key))
    setting = replace(setting, trial=has)
    given = setting.worker if setting.worker is not None else setting.requested
    if has is None or same(_typed(setting.key, str(given)), has):
        return setting
    origin = "search" if key in sources.params else sources.requested.origins.get(key, "")
    note = f"config.toml decides: {key} = {written(has)} ({origin or 'by the worker'})"
    if key in IDLE and sources.observed.get("feed") not in (None, "ring"):
        note += f"; {IDLE[key]}"
    return replace(setting, mark=Mark.DIFFERS, note=note)


def _typed(name: str, text: str) -> object:
    """The value that the text stands for."""
    rule = ORIGINAL.get(name)
    with suppress(ValueError):  # nonsense is no value of the key: it differs
        if rule is not None and not isinstance(rule, Inactive):
            return rule.convert(text)
        return tomllib.loads(f"value = {text}")["value"]
    return text


def _inherited(setting: Setting, sources: Sources) -> Setting:
    """A name that libraries read: a worker has what its engine had."""
    if sources.worker is None or sources.worker.trouble:
        return setting
    if setting.key in GIVEN and setting.requested is None:
        return replace(setting, origin="atft")
    threads = sources.observed.get("threads")
    if setting.key in _THREADS and setting.worker and threads is not None:
        setting = replace(setting, trial=threads)
        if not same(_typed(setting.key, str(setting.worker)), threads):
            note = f"torch computes with threads = {written(threads)}"
            return replace(setting, mark=Mark.DIFFERS, note=note)
    if sources.engine is None or sources.engine.trouble or same(setting.requested, setting.worker):
        return setting
    return replace(setting, mark=Mark.DIFFERS, note="engine and worker do not have the same")
