"""Follow a run from a thread: tail and fold, at most four views a second.

All reading, folding and judging happens here; the screen only draws. The console never writes
into a run directory, so this thread may die at any moment without anybody noticing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from atft_core.errors import AtftError, RunDirectoryError
from atft_core.run.access import why_not
from atft_core.run.directory import RunDirectory, created, find_runs, siblings
from atft_core.run.foreign import clean
from atft_core.run.judge.criteria import check
from atft_core.run.lock import Holder
from atft_core.run.runbook import Runbook
from atft_core.run.state import State
from atft_core.run.status import Status, status
from atft_core.run.verdict.around import Surroundings
from atft_core.run.verdict.diagnose import verdict_line
from atft_tui import seen
from atft_tui.followed import Followed
from atft_tui.gpu_now import GpuNow
from atft_tui.past.past import SLICE, Past
from atft_tui.past.recording import recorded
from atft_tui.strip import Strip
from atft_tui.view import Reading, View

PERIOD = 0.25
"""Seconds between two looks at the files of a live run."""
SCAN_SECONDS = 1.0
"""Between two looks at the other runs, and at a run that nobody works on."""
PATIENCE = 0.3
"""Seconds after which a person wants to know what takes so long."""
GLANCE = 0.02
"""Seconds that the first frame waits for the past: most logs are read by then."""

_NOT_OURS = "another program runs this study"


class Follower(threading.Thread):
    """Posts a view whenever something changed."""

    def __init__(
        self, runbook: Runbook, directory: Path | None, post: Callable[[View], object]
    ) -> None:
        """`directory`: a run, or a place to look for some; None: the stages of the runbook."""
        super().__init__(name="atft-follow", daemon=True)
        self._runbook, self._directory, self._post = runbook, directory, post
        self._ended = threading.Event()
        self._chosen: Path | None = None
        self._followed: Followed | None = None
        self._strip = Strip(runbook)
        self._scanned = 0.0
        self._stale = True
        """Whether the drawn view is older than what was read."""
        self._posted: object = None
        self._drawn: View | None = None
        self._scan_trouble = ""
        self._surroundings = Surroundings()
        self._past: Past | None = None
        self._then: View | None = None
        self.place: int | None = None
        """Which moment of the past is wanted; below 0 from the end, None: the present."""
        self._reading = False
        """Whether there is more to read of the past at once."""
        self._woken = threading.Event()

    def rewind(self, place: int | None) -> None:
        """Show a moment of the past from now on; None: the present again."""
        self.place = place
        self._woken.set()

    @property
    def live(self) -> View | None:
        """The present, whatever is shown."""
        return self._drawn

    def show(self, run_dir: Path) -> None:
        """From now on this run, which was started or resumed from here."""
        self._chosen, self.place = run_dir, None
        self._scanned = 0.0
        self._woken.set()

    def stop(self) -> None:
        """Let the thread end, and remember what was seen."""
        self._ended.set()
        self._woken.set()
        self.remember()

    def remember(self) -> None:
        """Note how far the person has seen this run."""
        if self._drawn is not None:
            seen.remember(self._drawn)

    def run(self) -> None:
        """Look, post, sleep; what is left to read of the past is read without sleeping."""
        while not self._ended.is_set():
            self._woken.clear()
            self.look()
            soon = self.place is not None or (self._drawn is not None and self._drawn.live)
            if not self._reading:
                self._woken.wait(PERIOD if soon else SCAN_SECONDS)

    def look(self) -> None:
        """One look; posts a view if it would differ from the one before."""
        if time.monotonic() - self._scanned >= SCAN_SECONDS:
            self._scanned = time.monotonic()
            self._scan_trouble = _trouble(self._scan)
        trouble = _trouble(self._read) or self._scan_trouble
        if self._due():
            trouble = _trouble(self._draw) or trouble
        live = replace(self._drawn or self._nothing(), trouble=trouble)
        trouble = _trouble(lambda: self._look_back(live))
        view = replace(self._then or live, trouble=trouble or live.trouble)
        self._reading = not trouble and (view.moments.share < 1.0 or view.folded < 1.0)
        mark = _mark(view)
        if mark != self._posted:
            self._posted = mark
            self._post(view)
        if self._followed is not None:
            self._followed.pictured = True

    def _due(self) -> bool:
        """Whether what was drawn may be wrong by now: a live run falls silent by the second."""
        drawn = self._drawn
        return self._stale or drawn is None or (drawn.live and int(drawn.now) != int(time.time()))

    def _look_back(self, live: View) -> None:
        """What the past adds to the picture, or puts in its place."""
        self._then = None
        past, place, shown = self._past, self.place, self._followed
        if past is None or shown is None:
            return
        past.read(shown.state, GLANCE if self._posted is None else SLICE)
        if past.read_all and shown.left is not None:
            shown.since, shown.left = seen.news(shown.left, past.timeline, live), None
        live = replace(live, moments=past.moments, since=shown.since)
        self._then = live
        if place is not None:
            self._then = past.at(place, live, lambda: self.place != place)

    def _read(self) -> None:
        if self._followed:
            holder = self._followed.holder
            self._stale |= self._followed.read() or self._followed.check_due
            if self._followed.holder is not holder or self._followed.log_changed:
                self._scanned = 0.0  # it began, ended or became another: the stages say so, too

    def _draw(self) -> None:
        self._drawn, self._stale = self._view(), False

    def _nothing(self) -> View:
        """No run yet: what the first stage will be judged by."""
        first = next(iter(self._runbook.stages), None)
        results = tuple(check(State(), first)) if first else ()
        return View(time.time(), self._runbook, self._strip.stages, stage=first, results=results)

    def _say_reading(self, run: RunDirectory) -> Callable[[int], None]:
        """Posts how far a log has been read that takes longer than a glance."""
        began = time.monotonic()

        def say(done: int) -> None:
            if time.monotonic() - began < PATIENCE:
                return
            whole = max(done, run.events.stat().st_size)
            reading = Reading(run.path, done / whole, whole)
            self._post(View(time.time(), self._runbook, self._strip.stages, reading=reading))

        return say

    def _view(self) -> View:
        now = time.time()
        shown = self._followed
        if shown is None:
            return self._nothing()
        state = shown.frozen()
        now_status = status(state, shown.holder, now)
        around = self._surroundings.look(shown.run, state) if now_status.live else None
        return View(
            now=now,
            runbook=self._runbook,
            stages=self._strip.stages,
            run=shown.run,
            state=state,
            status=now_status,
            stage=shown.stage,
            results=shown.check(state),
            diagnosis=verdict_line(state, now_status, around),
            gpus=self._recorded(now_status),
            notes=shown.notes,
            locked=_NOT_OURS if state.watched else why_not(shown.run, shown.holder),
        )

    def _recorded(self, now: Status) -> tuple[GpuNow, ...] | None:
        """The end of the recording of a run that has ended; None where there is none.

        A run of another host may well be going on: of that the newest samples are looked at.
        """
        shown = self._followed
        if shown is None or now.live or now.name == "UNKNOWN":
            return None
        ended = shown.state.ended or shown.state.t
        return recorded(shown.run.gpu, ended, {}) or None

    def _scan(self) -> None:
        """Find the run to show, and how the stages stand, even where it is gone."""
        try:
            self._follow(self._pick())
        finally:
            self._stale |= self._strip.scan(self._followed)

    def _pick(self) -> RunDirectory | None:
        if self._chosen is not None:
            return RunDirectory(self._chosen)
        if self._directory is not None:
            if (self._directory / "run.json").exists():
                return RunDirectory(self._directory)
            runs = find_runs(self._directory)
        else:
            runs = [run for stage in self._runbook.stages for run in siblings(stage.output_dir)]
        live = [run for run in runs if run.holder() is Holder.ENGINE]
        return max(live or runs, key=lambda run: created(run) or 0.0, default=None)

    def _follow(self, run: RunDirectory | None) -> None:
        known = self._followed
        if known is not None and not known.run.run_json.exists() and run in (None, known.run):
            raise RunDirectoryError(f"{known.run.path} is gone: removed, or renamed")
        if self.place is not None and known is not None and self._chosen is None:
            return  # who reads about the past is not thrown into another run's present
        if run is None:
            self._stale |= known is not None
            self._followed = self._past = None
        elif known is None or known.log_changed or (known.run.path, known.made) != (
            run.path, created(run)
        ):  # fmt: skip
            self._followed = Followed(run, self._say_reading(run))
            self._stale, self.place = True, None
            self._past, self._posted = Past(self._followed), None


def _trouble(step: Callable[[], None]) -> str:
    """What went wrong in a step; files that nobody foresaw must not end the thread."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 -- the last frame of a thread, and it is said
        said = str(error) if isinstance(error, OSError | AtftError) else repr(error)
        return clean(f"cannot read: {said}")
    return ""


def _mark(view: View) -> object:
    """What must differ for a view to be worth drawing; while a run lives, its clock ticks."""
    tick = int(view.now) if view.live else 0
    path = view.run.path if view.run else None
    state = view.state.seq, view.status, view.stages, view.results, view.notes
    past = len(view.moments.all), view.moments.share, view.folded, view.past, view.since
    return path, state, view.trouble, tick, past
