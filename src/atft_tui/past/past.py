"""The past of the run that is shown: its moments, and the whole picture at any one of them."""

from __future__ import annotations

import gc
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from atft_core.run.judge.criteria import Result, check
from atft_core.run.moments import Moment
from atft_core.run.runbook import Stage
from atft_core.run.state import State
from atft_core.run.status import Status
from atft_core.run.timeline import Then, Timeline
from atft_core.run.turns import Turns
from atft_core.run.verdict.diagnose import verdict_line
from atft_tui.followed import Followed
from atft_tui.past.recording import recorded
from atft_tui.past.states import States
from atft_tui.view import Moments, Rewound, StageView, View, stage_of_run

SLICE = 0.2
"""Seconds of reading after which the live run is looked at again."""
_QUICK = 0.05
"""Seconds up to which the criteria are checked before a moment is shown."""
_REST = 0.4
"""Seconds without a step after which they are checked where it takes longer."""


class Past:
    """Reads in slices: all of it belongs into the following thread."""

    def __init__(self, followed: Followed) -> None:
        self._run, self._followed = followed.run, followed
        self.timeline = Timeline(followed.run.events)
        self.read_all = False
        """Whether the log has been read to its end once."""
        self._states = States(followed.run.events, followed.state)
        self._turns, self._taken = Turns(), 0
        self._all: list[Moment] = []
        """What happened, and when the verdict turned: places in it never change."""
        self._shown = Moments(share=0.0)
        self._view: View | None = None
        """The last moment that was shown."""
        self._check_seconds = 0.0
        self._came = 0.0
        """When it was first shown."""

    def read(self, state: State, seconds: float = SLICE) -> None:
        """Take in what is new, for so long at most."""
        if not self.read_all or self.timeline.seq != state.seq:
            ended = self.timeline.read(seconds)
            if ended and not self.read_all:
                gc.freeze()  # what was remembered of a long log stays: see `Followed`
            self.read_all = ended or self.read_all

    @property
    def moments(self) -> Moments:
        """What has been read of them."""
        share = 1.0 if self.read_all else self.timeline.share
        self._take()
        if (len(self._shown.all), self._shown.share) != (len(self._all), share):
            self._shown = Moments(tuple(self._all), share)
        return self._shown

    def _take(self) -> None:
        """What is new up to the event that both have read: the timeline and the state."""
        state, known = self._followed.state, self.timeline.moments
        until = min(state.seq, self.timeline.seq)
        end = bisect_right(known, until, lo=self._taken, key=lambda moment: moment.seq)
        new = [*known[self._taken : end], *self._turns.read(state.verdicts, until)]
        self._taken = end
        self._all += sorted(new, key=lambda moment: moment.seq)

    def at(self, place: int, live: View, moved: Callable[[], bool]) -> View:
        """The picture at a moment; places below 0 count from the end.

        While it is being made, the present, and how far this is. `moved` says that another moment
        is wanted by now.
        """
        moments = self.moments
        if moments.share < 1.0:
            return _underway(live, moments.share / 2)
        if not moments.all:
            return live
        last = len(moments.all) - 1
        found = min(last, max(0, place if place >= 0 else last + 1 + place))
        moment = moments.all[found]
        rewound = Rewound(moment, found, place, live.state.t)
        known = self._view
        if known is None or known.past is None or known.past.moment is not moment:
            state = self._states.after(moment.seq, SLICE)
            if state is None:
                return _underway(live, 0.5 + 0.5 * self._states.seq / max(1, moment.seq))
            known = self._made(live, state, rewound)
            if self._check_seconds < _QUICK:
                known = self._checked(known, lambda: False)
            self._came = time.monotonic()
        elif known.stage and not known.results and time.monotonic() - self._came > _REST:
            known = self._checked(known, moved)
        self._view = known
        return replace(known, past=rewound, moments=self._shown, runbook=live.runbook)

    def _made(self, live: View, state: State, rewound: Rewound) -> View:
        """All but the criteria."""
        now = state.t
        status = Then(state, now, self._states.following).status(self._followed.holder)
        stage = live.stage if state.stage_spec else None
        return replace(
            live,
            now=now,
            stages=_stages(live.stages, stage, state, status, ()),
            state=state,
            status=status,
            stage=stage,
            results=(),
            diagnosis=verdict_line(state, status),
            past=rewound,
            gpus=recorded(self._run.gpu, now, state.roles),
        )

    def _checked(self, view: View, moved: Callable[[], bool]) -> View:
        """The criteria, too; not to the end where another moment is wanted meanwhile."""
        stage = view.stage
        if stage is None:
            return view
        began, results = time.monotonic(), list[Result]()
        for spec in stage.criteria:
            if moved():
                return view
            results += check(view.state, replace(stage, criteria=(spec,)))
        self._check_seconds = time.monotonic() - began
        found = tuple(results)
        stages = _stages(view.stages, stage, view.state, view.status, found)
        return replace(view, results=found, stages=stages)


def _underway(live: View, share: float) -> View:
    return replace(live, folded=min(0.99, share))


def _stages(
    stages: Sequence[StageView],
    own: Stage | None,
    state: State,
    status: Status | None,
    results: Sequence[Result],
) -> tuple[StageView, ...]:
    """How far the stages were; of the others only what had ended by then is known."""
    found = []
    for each in stages:
        if own is not None and status is not None and each.stage.key == own.key:
            then = stage_of_run(own, state, status, results)
            waits = not results and then.ended is not None
            found.append(StageView(own, "PENDING", "checking") if waits else then)
        elif each.ended is not None and each.ended <= state.t:
            found.append(each)
        else:
            found.append(StageView(each.stage, "PENDING", "not yet"))
    return tuple(found)
