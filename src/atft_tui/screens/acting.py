"""The keys of the main screen that change the run: each runs the command that it shows."""

from __future__ import annotations

import shlex

from atft_core.run.state import Trial
from atft_tui.format import relative
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.live import LiveScreen
from atft_tui.screens.question import QuestionScreen


class ActingScreen(LiveScreen[None]):
    """A screen with a trial to act on and a line to type in."""

    def chosen_trial(self) -> Trial | None:
        """The trial that a key is about."""
        raise NotImplementedError

    def ask(self, prompt: Prompt) -> None:
        """Let somebody type."""
        self.query_one(EntryLine).ask(prompt)

    def action_stop(self) -> None:
        """Stop after the running trial."""
        self._stop(now=False)

    def action_stop_now(self) -> None:
        """Stop at once, after a question."""
        view = self.console.view
        if view is None or not view.live:
            self._stop(now=True)
            return
        detail = "The running trial loses what it did since its last checkpoint; r resumes it."
        self.app.push_screen(
            QuestionScreen("Stop the run now?", detail),
            lambda yes: self._stop(now=True) if yes else None,
        )

    def _stop(self, *, now: bool) -> None:
        view = self.console.view
        if view is None or view.run is None or not view.live:
            self.app.notify("nothing is running", severity="warning", markup=False)
            return
        self._act(["stop", str(relative(view.run.path)), *(["--now"] if now else [])])

    def action_resume(self) -> None:
        """Continue a run that stopped or died."""
        view = self.console.view
        if view is None or view.run is None or view.live:
            self.app.notify("there is nothing to resume", severity="warning", markup=False)
            return
        self._act(["resume", str(relative(view.run.path)), "--detach"])

    def action_prune(self) -> None:
        """Give a running trial up, after a question."""
        trial, view = self.chosen_trial(), self.console.view
        if view is None or view.run is None or trial is None or not (view.live and trial.running):
            self.app.notify("only a running trial can be given up", severity="warning",
                            markup=False)  # fmt: skip
            return
        words = ["prune", str(relative(view.run.path)), str(trial.number)]
        self.app.push_screen(
            QuestionScreen(f"Give trial {trial.number} up?", "It ends as pruned, with the scores "
                           "it has; the sweep goes on with the next one."),
            lambda yes: self._act(words) if yes else None,
        )  # fmt: skip

    def action_enqueue(self) -> None:
        """One more trial, with edited parameters."""
        trial, view = self.chosen_trial(), self.console.view
        if view is None or view.run is None or trial is None or not view.live:
            self.app.notify("a trial can be added to a running sweep", severity="warning",
                            markup=False)  # fmt: skip
            return
        words = ["enqueue", str(relative(view.run.path)), "--like", str(trial.number)]
        known = {key: str(value) for key, value in trial.params.items()}

        def apply(text: str) -> None:
            typed = dict(_pair(word) for word in shlex.split(text))
            changed = {key: value for key, value in typed.items() if known.get(key) != value}
            sets = [part for pair in changed.items() for part in ("--set", "=".join(pair))]
            self._act([*words, *sets])

        value = shlex.join(f"{key}={value}" for key, value in known.items())
        self.ask(Prompt("one more trial ", "key=value key=value", apply, value))

    def _act(self, words: list[str]) -> None:
        async def act() -> None:
            outcome = await self.console.run_command(words)
            if not outcome.ok:
                said = "\n".join(outcome.complaint)
                self.app.notify(said, severity="error", timeout=15, markup=False)

        self.run_worker(act())


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not key=value")
    return key, value
