"""notify.toml: what a person wants to be told, and where. It holds for all of their runs.

It names a command that is run and addresses that are often secrets, so a file that others may
write is not obeyed.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from atft_core.errors import ConfigError
from atft_core.run import user
from atft_core.run.alerts import KEYS, LEVELS
from atft_core.run.wording import finite

T = TypeVar("T")
SWITCH = "ATFT_NOTIFY"
"""The environment name that switches everything off."""
_ON, _OFF = ("", "on", "1", "true"), ("off", "0", "false")


def _key(default: T, check: Callable[[Any], T], meaning: str) -> T:
    """A key of the file: its default, what it may be (ValueError: what not) and what it means."""
    found: T = field(default=default, metadata={"check": check, "meaning": meaning})
    return found


def _bar(value: Any) -> str:
    if value not in (*LEVELS, "off"):
        raise ValueError(f"must be one of {', '.join(LEVELS)} or off")
    return str(value)


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError('must be a list of texts, as ["first", "second"]')
    if any(user.unwritable(each) for each in value):
        raise ValueError("must be plain text")
    return tuple(value)


def _command(value: Any) -> tuple[str, ...]:
    words = _words(value)
    try:
        return tuple(str(Path(word).expanduser()) for word in words[:1]) + words[1:]
    except RuntimeError as error:
        raise ValueError("there is no such user") from error


def _about(value: Any) -> tuple[str, ...]:
    words = _words(value)
    for word in words:
        if word not in KEYS:
            raise ValueError(f"{word!r} is none of {', '.join(KEYS)}{_nearest(word, KEYS)}")
    return words


def _between(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        number = finite(value)
        if number is None or not low <= number <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return number

    return check


@dataclass(frozen=True)
class Settings:
    """The keys of notify.toml; without a file, these values."""

    bell: str = _key("warning", _bar, "console: least level at which the terminal's bell rings")
    osc9: str = _key("info", _bar, "console: least level of a desktop notification by OSC 9")
    osc777: str = _key("info", _bar, "console: least level of a desktop notification by OSC 777")
    hook: tuple[str, ...] = _key((), _command, "engine: a command and its words; it gets the alert")
    hook_level: str = _key("info", _bar, "engine: least level at which the command is run")
    hook_seconds: float = _key(10.0, _between(1, 300), "engine: after which the command is killed")
    urls: tuple[str, ...] = _key((), _words, "engine: webhooks, as addresses of apprise")
    urls_level: str = _key("warning", _bar, "engine: least level that is sent to the webhooks")
    silent: tuple[str, ...] = _key((), _about, "what is not told anywhere; it stays in the log")
    gpu_idle_below: float = _key(10.0, _between(0, 100), "% of a minute's mean: the GPU is idle")
    gpu_idle_minutes: float = _key(10.0, _between(1, 1440), "for so long, before it is told")
    gpu_busy_above: float = _key(30.0, _between(0, 100), "%: the GPU is busy again")
    gpu_busy_minutes: float = _key(2.0, _between(1, 1440), "for so long, before that is told")
    disk_low_gib: float = _key(1.0, _between(0, 1e6), "GiB left on the disk of a run; 0: never")


@dataclass(frozen=True)
class Loaded:
    """The settings, where each is from, and whether anything is told at all."""

    settings: Settings
    path: Path
    origins: dict[str, str]
    off: bool = False


def meanings() -> dict[str, str]:
    """Every key and what it means."""
    return {each.name: str(each.metadata["meaning"]) for each in fields(Settings)}


def path() -> Path:
    """Where the file is, whether or not it exists."""
    return user.config() / "notify.toml"


def load(environ: Mapping[str, str] = os.environ) -> Loaded:
    """The settings of this person; ConfigError says what is wrong with the file."""
    switch = environ.get(SWITCH, "").lower()
    if switch not in (*_ON, *_OFF):
        raise ConfigError(
            f"Environment: {SWITCH}={switch!r} is neither on nor off.", hint=f"unset {SWITCH}."
        )
    file = path()
    settings, given = _checked(file, _read(file))
    origins = {each.name: str(file) if each.name in given else "default"
               for each in fields(Settings)}  # fmt: skip
    return Loaded(settings, file, origins, off=switch in _OFF)


def load_or_default() -> tuple[Loaded, str]:
    """The settings, or the defaults and what is wrong with the file: for those who must go on."""
    try:
        return load(), ""
    except ConfigError as error:
        origins = dict.fromkeys(meanings(), "default")
        said = f"{' '.join(str(error).split())} Alerts are told by the defaults."
        off = os.environ.get(SWITCH, "").lower() in _OFF
        return Loaded(Settings(), path(), origins, off=off), said


def _read(file: Path) -> dict[str, Any]:
    """What the file holds; nothing where there is none."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as opened:
            _refuse_foreign(file, os.fstat(fd))
            return tomllib.load(opened)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from error
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}.") from error


def _refuse_foreign(file: Path, found: os.stat_result) -> None:
    """It names a command: whoever may write it could run anything as this user."""
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{file} is not a file.", hint="Remove it, or put a file there.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{file} may be written by others (mode {stat.S_IMODE(found.st_mode):04o}).",
            hint=f"chmod go-w {file}",
        )
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{file} belongs to another user.", hint=f"chown {user.name()} {file}")


def _checked(file: Path, given: Mapping[str, Any]) -> tuple[Settings, Mapping[str, Any]]:
    known = {each.name: each for each in fields(Settings)}
    values, complaints = {}, []
    for key, value in given.items():
        if key not in known:
            complaints.append(f"{file}: unknown key {key}{_nearest(key, known)}.")
            continue
        try:
            values[key] = known[key].metadata["check"](value)
        except ValueError as error:
            complaints.append(f"{file}: {key} = {_shown(key, value)}: {error}.")
    if complaints:
        raise ConfigError("\n".join(complaints), hint="`atft notify` lists every key.")
    settings = Settings(**values)
    if settings.gpu_busy_above < settings.gpu_idle_below:
        raise ConfigError(
            f"{file}: gpu_busy_above = {settings.gpu_busy_above:g} is below "
            f"gpu_idle_below = {settings.gpu_idle_below:g}."
        )
    return settings, given


def _shown(key: str, value: Any) -> str:
    """A value in a complaint; an address may be a secret."""
    return "..." if key == "urls" else repr(value)[:80]


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
