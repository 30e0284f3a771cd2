"""What the app lets through while a moment of the past is shown: looking, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from textual.actions import ActionParseResult
from textual.dom import DOMNode

from atft_tui.bindings import ABOUT_NOW
from atft_tui.follow import Follower
from atft_tui.terminal.driver import CellApp
from atft_tui.view import Rewound

PAST = "this is the past, where nothing can be changed; escape: back to now"


class RewindableApp(CellApp):
    """An app that shows the present, or a moment of the past."""

    _follower: Follower

    @property
    def place(self) -> int | None:
        """Which moment of the past is wanted; None: the present."""
        return self._follower.place

    def rewind(self, place: int | None) -> None:
        """Show a moment of the past, or the present again."""
        self._follower.rewind(place)

    def stay_at(self, past: Rewound) -> None:
        """A place that was counted from the end would move with the end."""
        if past.asked == self.place:
            self._follower.place = past.place

    @property
    def refuses(self) -> bool:
        """Whether the past is shown, from where nothing is changed; if so, it is said."""
        if self.place is not None:
            self.notify(PAST, severity="warning", markup=False)
        return self.place is not None

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run the action of a key, unless it is about now and the past is shown."""
        if action in ABOUT_NOW and self.refuses:
            return True
        return await super().run_action(action, default_namespace, namespaces)
