"""Functions of the user's own: files and installed packages with the same tables as ours.

A plug-in is a module that holds one or more of TABLES, each a dict of names and functions of the
shape that the built-in ones have (docs/plugins.md). The code of a file runs only where this user
has allowed that very content: a run directory may come from anybody, and names its plug-ins by
their sums alone.
"""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from atft_core.errors import UsageError
from atft_core.run import allowed, user
from atft_core.run.files import open_regular, write_atomically
from atft_core.run.foreign import clean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

TABLES = ("TERMS", "BLOCKS", "CRITERIA", "EXPORTERS")
"""Loss terms, parts of the model, criteria, exporters."""
_ASKED = {"TERMS": "loss.own", "BLOCKS": "model.own"}
"""The keys that name what is in a table."""
GROUP = "atft.plugins"
"""Entry points of installed packages: each names a module with such tables."""
VOUCHED = "ATFT_PLUGINS_VOUCHED"
"""Sums of files that an engine has checked, for its workers: on another machine this user may have
allowed nothing.
"""
_MOST = 1 << 20
_HOW = "`atft plugins allow {}` allows this content; read it first, it runs as you."


@dataclass(frozen=True)
class Source:
    """A file as it was read."""

    path: Path
    code: bytes

    @property
    def sum(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.code).hexdigest()

    @property
    def allowed(self) -> bool:
        """Whether this user has said that it may run."""
        return allowed.knows_file(self.sum) or self.sum in _vouched()


def read(path: Path) -> Source:
    """A plug-in's file; UsageError where there is none."""
    try:
        with open_regular(path) as file:
            code = file.read(_MOST + 1)
    except OSError as error:
        raise UsageError(f"The plug-in {path} cannot be read: {error.strerror}.") from error
    if path.suffix != ".py" or len(code) > _MOST:
        raise UsageError(f"The plug-in {path} is no Python file of less than 1 MiB.")
    return Source(path, code)


def allowed_of(sums: object) -> list[str]:
    """Those of a run's plug-ins whose content this user has allowed."""
    told = [str(each) for each in sums.values()] if isinstance(sums, Mapping) else []
    return [each for each in told if allowed.knows_file(each)]


def sums_in(identity: Mapping[str, Any]) -> dict[str, str]:
    """Name and sum of what a run's identity says it was made with; it may be forged."""
    sums = identity.get("plugins")
    known = sums.items() if isinstance(sums, Mapping) else ()
    return {str(name): str(total) for name, total in known}


def refuse_strange(sums: object, directory: Path) -> None:
    """UsageError where a run has a plug-in of a content that this user has not allowed."""
    for name, wanted in sums.items() if isinstance(sums, Mapping) else ():
        if str(name).endswith(".py") and _found(str(name), str(wanted), None) is None:
            raise UsageError(
                f"This run uses the plug-in {name}, which is not allowed to run here.",
                hint=_HOW.format(directory / Path(str(name)).name),
            )


def sums_of(files: Iterable[str]) -> dict[str, str]:
    """Name and sum of each file; UsageError for one that may not run, or whose name is taken."""
    found: dict[str, str] = {}
    for text in files:
        source = read(user.absolute(Path(text)))
        if not source.allowed:
            raise UsageError(
                f"The plug-in {source.path} is not allowed to run, or has changed since it was.",
                hint=_HOW.format(source.path),
            )
        if source.path.name in found:
            raise UsageError(f"Two plug-ins are called {source.path.name}.", hint="Rename one.")
        found[source.path.name] = source.sum
    return found


def keep(files: Iterable[str], directory: Path) -> None:
    """Copies beside a run: what it was made with, also for its workers on other machines."""
    sources = [read(user.absolute(Path(text))) for text in files]
    if sources:
        directory.mkdir(exist_ok=True)
    for source in sources:
        write_atomically(directory / source.path.name, source.code)


def enter(sums: object, directory: Path | None = None) -> None:
    """Let the plug-ins of a run be found from now on.

    `sums`: as its log has them; `directory`: where it keeps copies. UsageError for one that this
    user has not allowed, or that fails.
    """
    for name, wanted in sums.items() if isinstance(sums, Mapping) else ():
        if str(wanted) in _LOADED or not str(name).endswith(".py"):  # or of a package
            continue
        if told := _FAILED.get(str(wanted)):
            raise UsageError(told)
        source = _found(str(name), str(wanted), directory)
        if source is None:
            where = directory / str(name) if directory else f"the run's plugins/{name}"
            raise UsageError(
                f"This run uses the plug-in {name}, which is not allowed to run here.",
                hint=_HOW.format(where),
            )
        load(source)


def load(source: Source) -> None:
    """Run a file and take over its tables. UsageError, with the line, where it fails."""
    if source.sum in _LOADED:
        return
    if not source.allowed:
        raise UsageError(
            f"The plug-in {source.path} is not allowed to run.", hint=_HOW.format(source.path)
        )
    module = ModuleType(f"atft_plugin_{source.sum[:12]}")
    module.__file__ = str(source.path)
    _PATHS.add(str(source.path))
    try:
        exec(compile(source.code, str(source.path), "exec"), module.__dict__)  # noqa: S102 -- it is what a plug-in is
        _LOADED[source.sum] = _tables(module, str(source.path))
    except KeyboardInterrupt:  # a person's, while it loads what it needs
        raise
    except BaseException as error:  # whatever the user's code raises
        told = error.message if isinstance(error, UsageError) else ""
        _FAILED[source.sum] = told or f"The plug-in {source.path} fails: {_place(error)}."
        raise UsageError(_FAILED[source.sum]) from error


def table(name: str, sums: object = None) -> dict[str, Any]:
    """What installed packages and the plug-ins that were entered have in a table.

    `sums`: only those of one run, as its log has them; two may have different ones of one name.
    """
    files = _LOADED
    if sums is not None:
        of_run = [str(each) for each in sums.values()] if isinstance(sums, Mapping) else []
        files = {each: _LOADED[each] for each in of_run if each in _LOADED}
    held = [tables.get(name, {}) for tables in (*_installed().values(), *files.values())]
    return {key: value for each in held for key, value in each.items()}


def installed_versions() -> dict[str, str]:
    """Packages that offer tables, and their versions."""
    return {
        f"{point.dist.name}": str(point.dist.version)
        for point in _points() if point.dist is not None
    }  # fmt: skip


def _points() -> EntryPoints:
    """Imported here: many a command that asks for no plug-in would wait for it."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def find(name: str, key: str, built_in: Mapping[str, Any]) -> Any:
    """An entry of a table, ours first; UsageError where there is none."""
    if key in built_in:
        return built_in[key]
    own = table(name)
    if key not in own:
        known = ", ".join((*built_in, *own)) or "none"
        raise UsageError(
            f"{_ASKED.get(name, name)} names {key!r}, which nobody has; there are: {known}.",
            hint="Name the file that has it: --plugin FILE.",
        )
    return own[key]


_LOADED: dict[str, dict[str, dict[str, Any]]] = {}
"""Tables of files, by the file's sum."""
_PATHS: set[str] = set()
"""Of files that were run, as their frames have them."""
_FAILED: dict[str, str] = {}
"""What those said that failed: they are not run again at every look."""


@cache
def _installed() -> dict[str, dict[str, dict[str, Any]]]:
    """Tables of installed packages, which were allowed by being installed."""
    found = {}
    for point in _points():
        try:
            found[point.name] = _tables(point.load(), point.value)
        except BaseException as error:  # whatever a package raises
            raise UsageError(
                f"The plug-in {point.value} of an installed package fails: {_place(error)}."
            ) from error
    return found


def _tables(module: Any, where: str) -> dict[str, dict[str, Any]]:
    found = {name: getattr(module, name) for name in TABLES if hasattr(module, name)}
    for name, held in found.items():
        if not isinstance(held, dict) or not all(isinstance(key, str) for key in held):
            raise UsageError(f"{where}: {name} is no dict of names and functions.")
        for key, value in held.items():
            good = hasattr(value, "comparison") if name == "CRITERIA" else callable(value)
            if not good:
                what = "Criterion" if name == "CRITERIA" else "function"
                raise UsageError(f"{where}: {name}[{key!r}] is no {what}.")
    if not found:
        raise UsageError(f"{where} holds none of {', '.join(TABLES)}.")
    return found


def _found(name: str, wanted: str, directory: Path | None) -> Source | None:
    """The content of that sum: as allowed, else the run's own copy where that is vouched for."""
    places = [allowed.content_of(wanted)] if allowed.knows_file(wanted) else []
    if directory is not None and wanted in _vouched():
        places.append(directory / Path(name).name)
    for path in places:
        if path.is_file() and (source := read(path)).sum == wanted:
            return Source(Path(name), source.code)
    return None


def _vouched() -> list[str]:
    return os.environ.get(VOUCHED, "").split(",")


def blamed(error: BaseException) -> str:
    """Which plug-in's line an error came from; empty where it was none of theirs."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if frame.filename in _PATHS]
    return f"the plug-in {theirs[-1].filename}, line {theirs[-1].lineno}" if theirs else ""


def _place(error: BaseException) -> str:
    """What went wrong, and in which line."""
    if isinstance(error, UsageError):
        return error.message.rstrip(".")
    where = traceback.extract_tb(error.__traceback__)[-1]
    line = error.lineno if isinstance(error, SyntaxError) else where.lineno
    return f"line {line}: {said(error)}"


def said(error: BaseException) -> str:
    """What an error says, which may fail, too."""
    try:
        return clean(f"{type(error).__name__}: {error}", 500)
    except Exception:  # noqa: BLE001 -- its own words raise
        return type(error).__name__
