"""Where a whole run can be told to.

A new one is a function of a module here, or of a plug-in, and one line in EXPORTERS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from atft_core.errors import AtftError
from atft_core.export import mlflow, tensorboard
from atft_core.run import plugins
from atft_core.run.directory import RunDirectory
from atft_core.run.state import State

Exporter: TypeAlias = Callable[[RunDirectory, State, str], str]
"""Run, its state, and where to; returns what to say of it. Errors are AtftErrors."""

EXPORTERS: dict[str, Exporter] = {"tensorboard": tensorboard.write, "mlflow": mlflow.send}


def there_are() -> list[str]:
    """Names of all, those of plug-ins last."""
    return [*EXPORTERS, *sorted(plugins.table("EXPORTERS").keys() - EXPORTERS.keys())]


def tell(name: str, run: RunDirectory, state: State, out: str) -> str:
    """Let one of them do it; AtftError with what it says where it fails."""
    exporter: Exporter = plugins.find("EXPORTERS", name, EXPORTERS)
    if name in EXPORTERS:
        return exporter(run, state, out)
    try:
        return str(exporter(run, state, out))
    except AtftError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's code raises
        raise AtftError(f"The exporter {name} fails: {plugins.said(error)}.") from error
