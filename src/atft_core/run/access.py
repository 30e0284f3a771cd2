"""Whose run a directory is, and whether it is this user's to change."""

from __future__ import annotations

import os
import pwd

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.lock import Holder, owner


def owner_name(run: RunDirectory) -> str:
    """The user that the directory belongs to; the number where there is no such user any more."""
    uid = run.path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def why_not(run: RunDirectory, holder: Holder | None = None) -> str:
    """Why this user must leave the run as it is; empty where it is theirs to change.

    Not even root changes the run of somebody else: files in it that are root's would be in the
    owner's way.
    """
    try:
        uid = run.path.stat().st_uid
        if uid != os.geteuid():
            return f"it belongs to {owner_name(run)}"
        if not os.access(run.path, os.W_OK | os.X_OK):
            return "it may not be written"
        if (run.holder() if holder is None else holder) is Holder.UNKNOWN:
            return f"its engine is on {owner(run.lock).get('host', 'another host')}"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def refuse_own_program(run: RunDirectory) -> None:
    """UsageError where a program of the user's own computed a run: it holds no model of ours."""
    data = run.facts().get("data")
    if isinstance(data, dict) and data.get("command"):
        raise UsageError(
            f"{run.path} ran a program of its own: there is no model of atft in it.",
            hint="Score with that program.",
        )


def refuse_change(run: RunDirectory) -> None:
    """RunDirectoryError unless the run is this user's to change."""
    run.facts()
    reason = why_not(run)
    if reason:
        raise RunDirectoryError(
            f"{run.path} is not yours to change: {reason}.",
            hint="Look at it with `atft status` or in the console.",
        )
