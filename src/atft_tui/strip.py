"""How the stages of the runbook stand: each by its newest run, read again when that changed."""

from __future__ import annotations

import time
from pathlib import Path

from atft_core.errors import AtftError
from atft_core.run.directory import RunDirectory, siblings
from atft_core.run.judge.criteria import Verdict
from atft_core.run.judge.gates import gate
from atft_core.run.runbook import Runbook, Stage
from atft_core.run.state import State
from atft_core.run.status import load, status
from atft_core.run.wording import several
from atft_tui.followed import Checker, Followed
from atft_tui.view import StageView, stage_of_run


class Strip:
    """The stages for the strip, as far as the last scan knows."""

    def __init__(self, runbook: Runbook) -> None:
        self.stages: tuple[StageView, ...] = ()
        self._runbook = runbook
        self._signature: object = None
        self._states: dict[Path, tuple[object, State]] = {}
        self._checkers: dict[Path, Checker] = {}

    def scan(self, shown: Followed | None) -> bool:
        """Look at the newest run of each stage; whether anything may be other than before.

        Of the run that is `shown`, what has been read already is believed.
        """
        runs = {stage.key: siblings(stage.output_dir) for stage in self._runbook.stages}
        newest = {key: found[-1] for key, found in runs.items() if found}
        self._forget_but({run.path for run in newest.values()})
        holders = {key: run.holder() for key, run in newest.items()}
        states = {key: self._state(run, shown)[0] for key, run in newest.items()}
        marks = [_mark(run, shown) for found in runs.values() for run in found]
        # A run that falls silent changes neither its log nor its lock.
        words = [status(states[key], holders[key], time.time()).name for key in newest]
        signature = (marks, holders, words)
        due = shown is not None and shown.check_due
        if (
            signature == self._signature
            and not due
            and not any(checker.due for checker in self._checkers.values())
        ):
            return False
        self._signature = signature
        self.stages = tuple(
            self._of_run(stage, newest[stage.key], shown) if stage.key in newest
            else self._without_run(stage)
            for stage in self._runbook.stages
        )  # fmt: skip
        return True

    def _forget_but(self, paths: set[Path]) -> None:
        """A console that is open for weeks sees many runs."""
        self._states = {path: each for path, each in self._states.items() if path in paths}
        self._checkers = {path: each for path, each in self._checkers.items() if path in paths}

    def _of_run(self, stage: Stage, run: RunDirectory, shown: Followed | None) -> StageView:
        state, news = self._state(run, shown)
        if shown is not None and shown.run.path == run.path and shown.stage == stage:
            results = shown.check(state)
        else:
            checker = self._checkers.setdefault(run.path, Checker())
            hurry = shown is not None and not shown.pictured
            results = checker.results(state, stage, news, hurry=hurry)
        if stage.criteria and not results:
            return StageView(stage, "PENDING", "...", "the criteria are checked")
        return stage_of_run(stage, state, status(state, run.holder(), time.time()), results)

    def _without_run(self, stage: Stage) -> StageView:
        """Ready, or what its gate waits for."""
        ready = StageView(stage, "PENDING", "ready", f"ready: press {stage.hotkey}")
        if not stage.requires:
            return ready
        found = gate(self._runbook, stage, None)
        if found.open:
            return ready
        missing = sum(result.verdict is not Verdict.PASS for result in found.results)
        needs = self._runbook.stage(stage.requires).title
        why = f"{several(missing, 'open row')} in {needs}" if missing else f"needs {needs}"
        return StageView(stage, "LOCKED", "locked", why)

    def _state(self, run: RunDirectory, shown: Followed | None) -> tuple[State, object]:
        """The state of a run, of others read again only when their log grew; what dates it."""
        if shown is not None and shown.run.path == run.path:
            return shown.state, shown.news
        mark = _file_mark(run.events)
        known = self._states.get(run.path)
        if known is None or known[0] != mark:
            try:
                known = (mark, load(run))
            except (OSError, AtftError):  # damaged: nothing is known about it, not about the others
                known = (mark, State())
            self._states[run.path] = known
        return known[1], mark


def _mark(run: RunDirectory, shown: Followed | None) -> object:
    """What differs once there is more to say of a run.

    Of the one that is shown: what was read of it, for its file may have grown since.
    """
    if shown is not None and shown.run.path == run.path:
        return shown.state.seq
    return _file_mark(run.events)


def _file_mark(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), found.st_size, found.st_mtime_ns
