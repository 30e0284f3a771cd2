"""From a configuration to a panel and its split: what can be wrong before a run exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atft_core.command.files import hash_of, scripts_of
from atft_core.config.hashing import code_version, config_hash, differences, with_plugins
from atft_core.config.load import read_resolved
from atft_core.config.render import toml_value
from atft_core.config.schema import Config
from atft_core.data.build import ensure_cache
from atft_core.data.panel import open_panel
from atft_core.data.splits import folds_of, split_facts
from atft_core.engine.space import distributions, planned
from atft_core.errors import AtftError
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.judge.gates import Differing
from atft_core.run.plugins import installed_versions, sums_of

Progress = Callable[[str, float], None]


SETTINGS_SHOWN = 3
"""How many settings are named when runs differ in more."""
SETTING_WIDTH = 60
"""Characters of a value: of a search space the whole would be pages."""


@dataclass(frozen=True)
class Prepared:
    """What a run will train on, and what makes it the same experiment as another run."""

    cache: Path
    facts: Json
    split: Json
    identity: Json


def prepare(
    config: Config,
    *,
    demo: bool,
    progress: Progress | None = None,
    sums: Mapping[str, str] | None = None,
) -> Prepared:
    """Check the search space, build the cache where needed, cut the splits.

    `sums`: of the plug-ins of a run that has begun, wherever their files are by now.
    Raises ConfigError or DataError; nothing of a run exists then.
    """
    distributions(config)
    planned(config)
    sums = _sums(config) if sums is None else sums
    if config.command.argv:
        return _of_a_command(config, sums, demo=demo)
    cache = ensure_cache(config, progress)
    panel = open_panel(cache)
    splits = folds_of(config, panel.dates_T)
    split = split_facts(splits[config.split.fold], panel.dates_T)
    if config.split.folds:
        split["folds"] = [split_facts(each, panel.dates_T) for each in splits]
    identity = _identity(config, data_hash(panel.facts), sums, demo=demo)
    # Not the path in the cache: the same content may lie elsewhere, too.
    facts = {**panel.facts, "cache": str(cache), "path": str(config.data.path),
             "entry_lag": config.label.entry_lag}  # fmt: skip
    return Prepared(cache, facts, split, identity)


def _sums(config: Config) -> dict[str, str]:
    """Of the files, and of the installed packages that terms or parts may come from."""
    packages = installed_versions() if config.loss.own or config.model.own else {}
    return {**packages, **sums_of(config.plugins.files)}


def _identity(config: Config, data: str, sums: Mapping[str, str], *, demo: bool) -> Json:
    """What makes a run the same experiment as another one."""
    scripts = scripts_of(config.command)
    return {
        "data_hash": data,
        "config_hash": config_hash(config),
        "code": with_plugins(code_version(), {**sums, **scripts}),
        "demo": demo,
        "hung_seconds": config.engine.hung_seconds,
        **({"plugins": dict(sums)} if sums else {}),
        **({"scripts": scripts} if scripts else {}),
    }


def differing(config: Config) -> Differing:
    """What a run has other than `config`: its first settings that make it another experiment."""

    def said(run: RunDirectory) -> str:
        try:
            found = differences(config, read_resolved(run.config))
        except (AtftError, OSError):
            return "which its config.toml does not tell"
        lines = [f"{key} = {_shown(its)}, not {_shown(ours)}" for key, (ours, its) in found.items()]
        if not lines:  # another version of this program hashes other keys
            return "made by another version"
        more = f", and {len(lines) - SETTINGS_SHOWN} more" if len(lines) > SETTINGS_SHOWN else ""
        return "; ".join(lines[:SETTINGS_SHOWN]) + more

    return said


def _shown(value: Any) -> str:
    text = "unset" if value is None else toml_value(value)
    return text if len(text) <= SETTING_WIDTH else f"{text[: SETTING_WIDTH - 3]}..."


def _of_a_command(config: Config, sums: Mapping[str, str], *, demo: bool) -> Prepared:
    """A program reads its own data: the files that it is said to read stand for them."""
    found = hash_of(config.command.inputs)
    words = " ".join(config.command.argv)
    inputs = list(config.command.inputs)
    facts: Json = {"command": words, "path": words, "hash": found, "inputs": inputs}
    return Prepared(Path(), facts, {}, _identity(config, found, sums, demo=demo))


def data_hash(facts: Json) -> str:
    """Hash of the panel's content and of the files beside it, where there are some."""
    return "+".join([str(facts["hash"]), *facts["side_hashes"].values()])
