"""Delete a run: one that is a run, is this user's and rests; only what lies in it, never a link."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from atft_core.errors import RunBusyError, RunDirectoryError
from atft_core.run.access import refuse_change
from atft_core.run.directory import RunDirectory, find_runs
from atft_core.run.files import DISK_FULL, read_json
from atft_core.run.listing import evidence_of
from atft_core.run.lock import EngineLock, Holder, probe
from atft_core.run.status import Status, read_status


def refuse_active(run: RunDirectory, verb: str) -> None:
    """RunBusyError while an engine or a worker is at it."""
    found = _status(run)
    if found.live:
        raise RunBusyError(
            f"{run.path} is {found.name}: not {verb}.", hint=f"First: atft stop {run.path}"
        )
    for number in run.trials():
        if probe(run.trial(number).lock) is Holder.ENGINE:
            raise RunBusyError(
                f"{run.path}: a worker is still at trial {number}: not {verb}.",
                hint=f"`atft resume {run.path}` takes it over, then `atft stop {run.path}`.",
            )


def _status(run: RunDirectory) -> Status:
    """What a run is doing; a damaged log does not protect it, its lock does."""
    try:
        return read_status(run)[1]
    except (RunDirectoryError, OSError) as error:
        return Status("RUNNING" if run.holder() is Holder.ENGINE else "UNREADABLE", str(error))


def refuse_deletion(run: RunDirectory) -> None:
    """RunDirectoryError unless the directory, and nothing but this run, may go."""
    if run.path.is_symlink():
        raise RunDirectoryError(
            f"{run.path} is a symbolic link: not deleted.", hint="Name the directory itself."
        )
    refuse_change(run)
    refuse_active(run, "deleted")
    others = [other for other in find_runs(run.path) if other.path != run.path]
    if others:
        raise RunDirectoryError(
            f"{run.path} holds other runs ({others[0].path}): not deleted.",
            hint="Delete or move them first.",
        )
    if Path.cwd().is_relative_to(run.path.resolve()):
        raise RunDirectoryError(
            f"{run.path} is where you are: not deleted.", hint="cd to another directory first."
        )
    if not os.access(run.path.parent, os.W_OK):
        raise RunDirectoryError(
            f"{run.path.parent} may not be written: nothing in it can be deleted.",
            hint=f"chmod u+w {run.path.parent}",
        )


def opened_by(run: RunDirectory) -> list[Path]:
    """Runs beside this one whose gate was opened by its evidence."""
    beside = find_runs(run.path.parent)
    facts = ((other.path, read_json(other.run_json)) for other in beside)  # some may be damaged
    return [path for path, found in facts
            if isinstance(found, dict) and evidence_of(found) == str(run.path)]  # fmt: skip


def delete(run: RunDirectory) -> None:
    """Remove the directory. Its new name comes first: a run that is half gone is no evidence."""
    refuse_deletion(run)
    doomed = run.path.with_name(f".{run.path.name}.deleted.{os.getpid()}")
    lock = _hold(run)
    try:
        run.path.rename(doomed)
        lock = lock or hold_moved(run, doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        left = doomed if doomed.exists() else run.path
        raise RunDirectoryError(
            f"{left} could not be deleted wholly: {error.strerror} ({error.filename}).",
            hint="What is left can be deleted the same way once that is mended.",
        ) from error
    finally:
        if lock is not None:
            lock.release()


def _hold(run: RunDirectory) -> EngineLock | None:
    """Its lock: nobody resumes it meanwhile. None where the disk has no room for a lock file."""
    try:
        return EngineLock(run.lock, silent=True)
    except OSError as error:
        if error.errno in DISK_FULL:
            return None
        raise RunDirectoryError(
            f"{run.path} could not be deleted: {error.strerror} ({run.lock}).",
            hint=f"Remove what is in the lock's place: {run.lock}",
        ) from error


def hold_moved(run: RunDirectory, doomed: Path) -> EngineLock | None:
    """The lock of a run that was renamed without one: an engine may have made it just before.

    From then on none can: the place is gone. Where one was faster, the run gets its name back.
    """
    try:
        return _hold(RunDirectory(doomed))
    except RunDirectoryError:
        doomed.rename(run.path)
        raise
