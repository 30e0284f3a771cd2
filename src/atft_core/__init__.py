"""atft: tune a model that ranks stocks, and believe only what was measured.

    import atft_core as atft

    config = atft.configure({"train.max_epochs": 3})
    panel = atft.build_panel("panel.parquet", config)
    trained = atft.train_one(config, panel)
    run = atft.open_run("output/hpo_short")

Each name is loaded when it is first used: torch comes with `train_one`, and with nothing before it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atft_core.config.schema import Config
    from atft_core.data.panel import Panel
    from atft_core.errors import AtftError
    from atft_core.library.measures import evaluate
    from atft_core.library.panel import build_panel, configure
    from atft_core.library.runs import Run, open_run
    from atft_core.library.training import Trained, train_one

__version__ = "0.1.0"
__all__ = [
    "AtftError", "Config", "Panel", "Run", "Trained", "build_panel", "configure", "evaluate",
    "open_run", "train_one",
]  # fmt: skip
_WHERE = {
    "AtftError": "errors", "Config": "config.schema", "Panel": "data.panel",
    "Run": "library.runs", "Trained": "library.training", "build_panel": "library.panel",
    "configure": "library.panel", "evaluate": "library.measures", "open_run": "library.runs",
    "train_one": "library.training",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
