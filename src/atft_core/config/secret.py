"""Where the URL of a database is found that must not stand in a configuration, and how it is shown.

A password on a command line can be read by every user of the machine, and one in a run directory by
everybody whom it is shown to.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from atft_core.errors import ConfigError

VARIABLE = "ATFT_STORAGE"
"""Name in the environment that holds the URL."""
OF_THE_ENGINE = (VARIABLE, "RAY_AUTH_TOKEN")
"""What stands in the environment of an engine, and no worker is told."""
FROM_ENVIRONMENT = "environment"
"""What engine.storage says then."""
_SCHEMES = ("postgresql://", "postgres://")
_PASSWORD = re.compile(r"(://[^:/@\s]*:)\S*(?=@)|([?&]password=)[^&\s]*", re.IGNORECASE)
"""Before the last @, since a person may have left a / or an @ in it as it is; or a parameter."""


def redacted(text: str) -> str:
    """A text in which the passwords of URLs are stars."""
    return _PASSWORD.sub(r"\1\2***", text)


def is_url(text: str) -> bool:
    """Whether it names a database, and not a file in which a name stands."""
    return "://" in text


def why_refused(storage: str) -> str:
    """Why a configuration cannot say that; empty where it can."""
    if not is_url(storage):
        return ""
    if not storage.startswith(_SCHEMES):
        return f"{redacted(storage)}: only postgresql://HOST/DATABASE is a storage beside study.db"
    if redacted(storage) != storage:
        return ("a password does not belong into a configuration or on a command line: "
                f"put the URL into {VARIABLE}, or into a file of mode 0600 and name that, "
                "or the password into ~/.pgpass")  # fmt: skip
    return ""


def find_url(storage: str, environ: Mapping[str, str] = os.environ) -> str:
    """The URL of engine.storage: itself, of the environment, or of a file.

    ConfigError where there is none, or where others may read the file.
    """
    if is_url(storage):
        return storage
    if storage == FROM_ENVIRONMENT:
        found, where = environ.get(VARIABLE, ""), f"{VARIABLE} in the environment"
    else:
        found, where = _read(Path(storage).expanduser()), storage
    if not found.startswith(_SCHEMES):
        raise ConfigError(
            f"engine.storage = {storage}: {where} holds no URL of a database.",
            hint="One line: postgresql://USER:PASSWORD@HOST:5432/DATABASE",
        )
    return found


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8") if stat.S_ISREG(mode) else ""
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigError(f"engine.storage: cannot read {path}: {why}.") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"engine.storage: {path} may be read by others (mode {stat.S_IMODE(mode):04o}).",
            hint=f"chmod 600 {path}",
        )
    return text.strip()
