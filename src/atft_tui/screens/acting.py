"""The keys of the main screen that change the run: each runs the command that it shows."""

from __future__ import annotations

import shlex
from pathlib import Path

from atft_core.run.foreign import clean
from atft_core.run.notes import Note
from atft_core.run.state import Trial
from atft_tui.format import relative
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.live import LiveScreen
from atft_tui.screens.noting import note_prompt, tags_prompt
from atft_tui.screens.question import QuestionScreen


class ActingScreen(LiveScreen[None]):
    """A screen with a trial to act on and a line to type in."""

    def chosen_trial(self) -> Trial | None:
        """The trial that a key is about."""
        raise NotImplementedError

    def noted_trial(self) -> Trial | None:
        """The trial that a note is about; None: the run."""
        raise NotImplementedError

    def ask(self, prompt: Prompt) -> None:
        """Let somebody type."""
        self.query_one(EntryLine).ask(prompt)

    def refused(self) -> bool:
        """Whether the run is not this person's to change, which is then said."""
        locked = self.console.view.locked if self.console.view else ""
        if locked:
            said = f"this run is read-only: {clean(locked)}"
            self.app.notify(said, severity="warning", markup=False)
        return bool(locked)

    def action_stop(self) -> None:
        """Stop after the running trial."""
        self._stop(now=False)

    def action_stop_now(self) -> None:
        """Stop at once, after a question."""
        view = self.console.view
        if view is None or not view.live or view.locked:
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
        if self.refused():
            return
        self._act(["stop", str(relative(view.run.path)), *(["--now"] if now else [])])

    def action_resume(self) -> None:
        """Continue a run that stopped or died."""
        view = self.console.view
        if view is None or view.run is None or view.live or view.state.written:
            own = view is not None and view.state.written and not view.live
            said = "only its own program can go on" if own else "there is nothing to resume"
            self.app.notify(said, severity="warning", markup=False)
            return
        if self.refused():
            return
        self._act(["resume", str(relative(view.run.path)), "--detach"])

    def action_prune(self) -> None:
        """Give a running trial up, after a question."""
        trial, view = self.chosen_trial(), self.console.view
        if view is None or view.run is None or trial is None or not (view.live and trial.running):
            self.app.notify("only a running trial can be given up", severity="warning",
                            markup=False)  # fmt: skip
            return
        if self.refused():
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
        if self.refused():
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

    def _noted(self) -> tuple[Path, int | None, Note] | None:
        """What a note is about; None, and a word, where none may be written."""
        view = self.console.view
        if view is None or view.run is None:
            self.app.notify("there is no run yet", severity="warning", markup=False)
            return None
        if self.refused():
            return None
        trial = self.noted_trial()
        number = trial.number if trial else None
        return view.run.path, number, view.notes.of(number)

    def action_note(self) -> None:
        """Write a note on the trial, or on the run."""
        if about := self._noted():
            self.ask(note_prompt(*about, self._act))

    def action_tags(self) -> None:
        """Change the tags of the trial, or of the run."""
        if about := self._noted():
            self.ask(tags_prompt(*about, self._act))


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not key=value")
    return key, value
