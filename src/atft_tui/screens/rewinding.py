"""Stepping through the past of a run, from the main screen."""

from __future__ import annotations

from atft_tui.screens.acting import ActingScreen


class RewindingScreen(ActingScreen):
    """A screen that can show a moment of the past instead of the present."""

    def action_timeline(self) -> None:
        """What happened."""
        from atft_tui.screens.timeline import TimelineScreen

        self.console.note("atft timeline {run}")
        self.app.push_screen(TimelineScreen())

    def action_moment(self, step: int) -> None:
        """So many moments on, or back; from the last one on to the present."""
        view, place = self.console.view, self.console.place
        if view is None or view.run is None or (view.moments.share == 1.0 and not view.moments.all):
            self.app.notify("nothing has happened yet", severity="warning", markup=False)
            return
        if place is None and step > 0:
            self.app.notify("this is now; [ goes back", markup=False)
            return
        last = len(view.moments.all) - 1
        if place is None or place < 0:  # counted from the end, which may not be known yet
            target = (place or 0) + step
            self.console.rewind(target if target < 0 else None)
        elif step > 0 and place >= last:
            self.console.rewind(None)
        else:
            self.console.rewind(min(last, max(0, place + step)))
