"""What the console remembers of a person from one day to the next: colours and sizes of panes.

Nothing in it matters: a file that is damaged or cannot be written is as good as none.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from atft_core.run import user
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_tui.layout import TALL, USUAL, Shape


@dataclass(frozen=True)
class Preferences:
    """As a person left the console."""

    theme: str = "atft"
    usual: Shape = field(default=USUAL)
    tall: Shape = field(default=TALL)


def store() -> Path:
    """The file in the user's state directory."""
    return user.state() / "console.json"


def load() -> Preferences:
    """What was remembered; of a damaged file what can be read."""
    value: object = None
    with suppress(OSError):
        value = read_json(store())
    if not isinstance(value, dict):
        return Preferences()
    theme = value.get("theme")
    known = Preferences(theme=theme) if isinstance(theme, str) else Preferences()
    return replace(
        known, usual=_shape(value.get("usual"), USUAL), tall=_shape(value.get("tall"), TALL)
    )


def save(preferences: Preferences) -> None:
    """Remember; a home that cannot be written is fine."""
    with suppress(OSError):
        store().parent.mkdir(parents=True, exist_ok=True)
        write_json(store(), asdict(preferences), durable=False)


def _shape(value: object, default: Shape) -> Shape:
    """A stored shape; what is missing or no number of cells is as it was made."""
    if not isinstance(value, dict):
        return default
    found: Json = value
    sizes = {
        each.name: found[each.name]
        for each in fields(Shape)
        if isinstance(found.get(each.name), int) and 0 < found[each.name] < 1000
    }
    return replace(default, **sizes)
