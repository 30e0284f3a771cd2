"""An alert on its way: with the run that it is about, in the forms that programs take."""

from __future__ import annotations

import socket
import time
from dataclasses import asdict, dataclass
from typing import Any

from atft_core.run.alerts import subject
from atft_core.run.directory import RunDirectory
from atft_core.run.foreign import clean
from atft_core.run.state import Alert, State

_TEXT = 1000
"""Characters of a text: reasons quote what others wrote."""


@dataclass(frozen=True)
class Message:
    """What is handed over, as clean text."""

    key: str
    level: str
    text: str
    since: float
    ended: bool
    run: str
    """The run directory."""
    stage: str
    """Title of the stage, else the name of the run."""
    host: str

    @property
    def title(self) -> str:
        """The first line, where there are two."""
        return f"atft {self.level}: {self.stage}"

    @property
    def line(self) -> str:
        """All of it, where there is one."""
        return f"{self.title}: {self.text}"

    def json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def environ(self) -> dict[str, str]:
        """As environment names."""
        return {f"ATFT_ALERT_{name.upper()}": str(value) for name, value in self.json().items()}


def message(alert: Alert, state: State, run: RunDirectory | None) -> Message:
    """The message of an alert of a run."""
    return Message(
        key=clean(alert.key, 40),
        level=clean(alert.level, 20),
        text=clean(alert.text, _TEXT),
        since=round(alert.since, 3),
        ended=alert.ended,
        run=clean(str(run.path.absolute())) if run else "",
        stage=clean(subject(state), 80),
        host=clean(state.host or socket.gethostname(), 80),
    )


def example() -> Message:
    """The alert of `atft notify --test`."""
    test = Alert(time.time(), "warning", "this is a test of the notifications", "test")
    return message(test, State(run="test"), None)
