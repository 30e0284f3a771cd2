"""Runbooks and presets that come with atft: inside the wheel, or beside src/ in a checkout."""

from __future__ import annotations

from pathlib import Path

import atft_core
from atft_core.errors import UsageError
from atft_core.run.stages import nearest_first


def folders() -> tuple[Path, Path]:
    """Where they may be."""
    package = Path(atft_core.__file__).parent
    return package / "configs", package.parents[1] / "configs"


def typed(runbook: Path) -> str:
    """A runbook as it is typed: a shipped one by its name, unless something here is called so."""
    known = runbook in [folder / runbook.name for folder in folders()]
    return runbook.stem if known and not Path(runbook.stem).exists() else str(runbook)


def names() -> list[str]:
    """Of all, without their suffix."""
    return sorted(
        {
            path.relative_to(folder).with_suffix("").as_posix()
            for folder in folders()
            for path in folder.rglob("*.toml")
        }
    )


def shipped(name: str) -> Path:
    """The file of this name, as runbook.toml or objective/rank.toml; UsageError without one."""
    for folder in folders():
        if (folder / name).is_file():
            return folder / name
    known = [f"{each}.toml" for each in names()]
    raise UsageError(
        f"No {name!r} comes with atft.",
        hint=f"There is {', '.join(nearest_first(name, known)) or 'none: the package is damaged'}.",
    )
