"""`atft config show`: every key, its value, its meaning, its origin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atft_core.cli.output import print_json, say
from atft_core.config.keys import DESCRIPTIONS, dump, flatten
from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.run.runbook import load


def show(
    config_files: Sequence[Path],
    runbook: Path | None,
    assignments: Sequence[str],
    *,
    origin: bool,
    as_json: bool,
) -> None:
    """Print the configuration that a run started like this would have."""
    book = load(runbook) if runbook else None
    resolved = resolve(
        config_files=config_files,
        runbook=book.config if book else None,
        runbook_name=str(runbook) if runbook else "runbook",
        assignments=assignments,
    )
    if as_json:
        flat = flatten(dump(resolved.config))
        keys = {
            key: {"value": flat[key], "origin": resolved.origins[key], "meaning": text}
            for key, text in DESCRIPTIONS.items()
        }
        print_json({"keys": keys, "environment": [vars(n) for n in resolved.notices]})
        return
    origins = resolved.origins if origin else {}
    print(to_toml(resolved.config, origins, describe=True), end="")
    for notice in resolved.notices:
        say(f"# environment: {notice.name}={notice.value} {notice.status} ({notice.detail})")
