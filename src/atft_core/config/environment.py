"""What the environment asks for: read once, when a run is started.

A name without a meaning is accepted and shown as inactive with the reason; one that asks for what
atft never does, or that contradicts another, is an error. Workers read config.toml and nothing
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from atft_core.config.keys import DESCRIPTIONS, parse_value, suggestion
from atft_core.config.secret import FROM_ENVIRONMENT
from atft_core.config.secret import VARIABLE as STORAGE
from atft_core.errors import ConfigError
from atft_core.run.settings.environ import IDLE, ORIGINAL, PREFIX, Applied, Inactive, own_name

_OTHERS = ("ATFT_NOTIFY", "ATFT_ALERT_", "ATFT_JOB_", "ATFT_PLUGINS_", STORAGE)
"""Beginnings of names that are about alerts (docs/console.md), that programs of a user's own are
told, or that hold what nobody should see.
"""
Status = Literal["applied", "accepted, inactive"]


@dataclass(frozen=True)
class Notice:
    """What became of one environment name."""

    name: str
    value: str
    status: Status
    detail: str
    """The key it was applied to, or why it does nothing."""
    key: str = ""
    """The key that it sets."""


def outdone(notice: Notice, origins: Mapping[str, str]) -> Notice:
    """The notice, told again where a flag won over the environment."""
    winner = origins.get(notice.key, "environment")
    if winner == "environment":
        return notice
    return replace(notice, status="accepted, inactive", detail=f"{notice.key} is set by {winner}")


_OWN: dict[str, str] = {own_name(key): key for key in DESCRIPTIONS}


def read_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Notice]]:
    """Values by dotted key, and what became of every name that is known. ConfigError on nonsense.

    ATFT_TRAIN_MAX_EPOCHS and the like set any key and win over a name of the original system.
    """
    values: dict[str, Any] = {}
    notices: list[Notice] = []
    for name, rule in ORIGINAL.items():
        if name in environ:
            notices.append(_original(name, environ[name], rule, values))
    for name in sorted(n for n in environ if n.startswith(PREFIX) and not n.startswith(_OTHERS)):
        if name not in _OWN:
            key = name.removeprefix(PREFIX).lower().replace("_", ".", 1)
            raise ConfigError(
                f"Environment: {name} is not a setting of atft{suggestion(key)}.",
                hint=f"unset {name}, or see `atft config show` for the keys.",
            )
        notices = [_superseded(notice, _OWN[name], name) for notice in notices]
        values[_OWN[name]] = parse_value(environ[name])
        notices.append(_set(name, environ[name], _OWN[name]))
    if environ.get(STORAGE):
        values["engine.storage"] = FROM_ENVIRONMENT
        notices.append(Notice(STORAGE, "***", "applied", "engine.storage", "engine.storage"))
    _refuse_contradiction(environ, values)
    return values, notices


def _set(name: str, text: str, key: str) -> Notice:
    """The notice of a name that sets a key, whether or not the key has an effect."""
    if key in IDLE:
        return Notice(name, text, "accepted, inactive", f"{key}; {IDLE[key]}", key)
    return Notice(name, text, "applied", key, key)


def _superseded(notice: Notice, key: str, name: str) -> Notice:
    if notice.key != key:
        return notice
    return replace(notice, status="accepted, inactive", detail=f"{key} is set by {name}")


def _refuse_contradiction(environ: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """USE_RANKIC asks for the term that RANKIC_WEIGHT=0 switches off."""
    if "USE_RANKIC" in environ and values.get("loss.rank_ic") == 0:
        raise ConfigError(
            "Environment: USE_RANKIC=1 and a RankIC weight of 0 contradict each other.",
            hint="unset USE_RANKIC, or give RANKIC_WEIGHT a value.",
        )


def _original(name: str, text: str, rule: Applied | Inactive, values: dict[str, Any]) -> Notice:
    if isinstance(rule, Applied):
        try:
            values[rule.key] = rule.convert(text)
        except ValueError as error:
            raise ConfigError(
                f"Environment: {name}={text!r} is not a value for {rule.key} ({error}).",
                hint=f"unset {name}, or set {rule.key} in the config file.",
            ) from error
        return _set(name, text, rule.key)
    if rule.allowed and text.lower() not in rule.allowed:
        raise ConfigError(
            f"Environment: {name}={text!r} asks for something atft does not do: {rule.refusal}.",
            hint=f"unset {name}.",
        )
    return Notice(name, text, "accepted, inactive", rule.why)
