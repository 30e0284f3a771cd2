"""The verdict line: what limits a run, in one word, one sentence and one thing to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from atft_core.run.causes import cause_of, helps
from atft_core.run.epochs import EpochRow
from atft_core.run.judge.measure import place
from atft_core.run.processes.alive import doing
from atft_core.run.state import State, Trial
from atft_core.run.status import Status
from atft_core.run.verdict.around import Around, Own
from atft_core.run.verdict.limits import Split, evidence, limit, split_of
from atft_core.run.wording import clock, finite, size

FULL = 0.9
"""Share of the cores that work from which somebody has to wait."""
ROBBED = 0.5
"""Share of the cores from which others are said to take them away."""
SLOW = 1.5
"""An epoch's seconds, in terms of the ones before it, from which it counts as slowed down."""


@dataclass(frozen=True)
class Diagnosis:
    """A word for the eye, the evidence for it, and what to do."""

    word: str
    text: str
    action: str


_TROUBLE = {
    "HUNG": "`atft stacks` says where; stop now and resume: it goes on from its last checkpoint",
    "PAUSED": "make room, or see `dmesg`: nothing is lost, and it goes on by itself",
    "DIED": "resume: it goes on from its last checkpoint",
    "STOPPED": "resume: it goes on from its last checkpoint",
    "FAILED": "read the log and the failed trial's reason",
    "UNKNOWN": "look from the host that runs it",
}
_UNSTUCK = {
    "T": "`kill -CONT {pid}` lets it go on",
    "D": "a disk or a network drive does not answer: see `dmesg`; it goes on when that does",
    "Z": "stop now and resume: it goes on from its last checkpoint",
    "": "stop now and resume: it goes on from its last checkpoint",
}
"""What helps a process, by the kernel's letter for what it does."""
_ACTIONS = {
    "data-bound": "the feed is {feed}: is its disk slow, are data.workers too few?",
    "validation-bound": "switch train.val_debug off, or validate fewer days",
    "overhead-bound": "a first epoch warms up; if it stays, the checkpoints go to a slow disk",
    "memory-bound": "fewer bytes a step: data.dtype or train.amp = bfloat16, a smaller network",
    "launch-bound": "more work per step: a larger train.block_days or model.hidden",
    "compute-bound": "nothing to do",
}


def verdict_line(state: State, status: Status, around: Around | None = None) -> Diagnosis:
    """What a person should know first; what is unknown is said to be unknown.

    `around` is what was seen on the machine meanwhile; None: nobody looked.
    """
    seen = around or Around()
    if status.name == "HUNG":
        return _hung(state, status, seen)
    if status.name in _TROUBLE:
        why = status.reason or "no reason was given"
        return Diagnosis(status.name, why, _helps(state) or _way_on(state, status))
    newest = _newest(state)
    if status.live and not state.preflight and not state.trials:
        return Diagnosis("preflight", "data, model and loss are checked before any trial", "wait")
    if newest is None:
        todo = "wait for the first epoch" if status.live else "start a run"
        return Diagnosis("unknown", "no epoch has ended yet", todo)
    trial, row = newest
    split = split_of(row.time, row.seconds, row.gpu, row.rates)
    if split is None:
        return _without_times(state, trial, row)
    return _contended(trial, split, seen) or _limited(trial, split, seen)


def _way_on(state: State, status: Status) -> str:
    if state.written and status.name in ("DIED", "STOPPED"):
        return "start its program again: atft cannot go on where it was"
    return _TROUBLE[status.name]


def _without_times(state: State, trial: Trial, row: EpochRow) -> Diagnosis:
    """Of an epoch that does not say where its time went: no program of the user's own does."""
    if not state.own_program:
        said = f"{place(trial.number, row.epoch)} reported no times"
        return Diagnosis("unknown", said, "see the worker's log")
    busy = finite((row.gpu or {}).get("p50"))
    gpu = f"; the GPU was busy {busy:.0f} % of epoch {row.epoch}" if busy is not None else ""
    said = f"a program does not tell where its time goes{gpu}"
    return Diagnosis("unknown", said, "where the GPU idles, profile it" if gpu else "nothing to do")


def _helps(state: State) -> str:
    """What helps against the cause of the newest trial that failed, in a run that ended for it."""
    failed = [trial for trial in state.trials.values() if trial.state == "FAIL"]
    if not failed or not state.end_state:
        return ""
    return helps(cause_of(failed[-1].reason), own_program=state.own_program)


def _newest(state: State) -> tuple[Trial, EpochRow] | None:
    rows = [(trial, trial.epochs[-1]) for trial in state.trials.values() if trial.epochs]
    return max(rows, key=lambda pair: pair[1].t, default=None)


def _limited(trial: Trial, split: Split, seen: Around) -> Diagnosis:
    """By the run itself."""
    word = limit(split)
    feed = str(trial.settings.get("feed") or "not known")
    strangers = f"; pid {seen.on_gpu[0].pid} is on the same GPU" if seen.on_gpu else ""
    return Diagnosis(word, evidence(word, split) + strangers, _ACTIONS[word].format(feed=feed))


# Others on the machine.


def _contended(trial: Trial, split: Split, seen: Around) -> Diagnosis | None:
    """Held up by a process that is not of this run; None without evidence for that."""
    return _robbed_of_cores(trial, split, seen) or _robbed_of_gpu(trial, split, seen)


def _robbed_of_cores(trial: Trial, split: Split, seen: Around) -> Diagnosis | None:
    """No core is left for it, and it needs them: it computes on them, or the GPU waits for them."""
    on_gpu = str(trial.settings.get("device", "")).startswith("cuda")
    if on_gpu and limit(split) in ("compute-bound", "memory-bound", "validation-bound"):
        return None
    full = seen.used + seen.others >= FULL * seen.cores
    if not seen.cores or not full or seen.others < ROBBED * seen.cores:
        return None
    text = f"others use {seen.others:.1f} of {seen.cores} cores, this run {seen.used:.1f}"
    if seen.rival is None or seen.rival.cores < seen.others / 4:
        return Diagnosis(
            "contended", text, "many small ones, or outside of this container: see `top`"
        )
    text += f"; pid {seen.rival.pid} ({seen.rival.name}) alone {seen.rival.cores:.1f}"
    return Diagnosis("contended", text, f"`ps -fp {seen.rival.pid}`: end it, or `renice` it")


def _robbed_of_gpu(trial: Trial, split: Split, seen: Around) -> Diagnosis | None:
    """Somebody else is on its GPU, and its epochs became slower."""
    usual = _usual(trial.epochs)
    if not seen.on_gpu or usual is None or trial.epochs[-1].seconds < SLOW * usual:
        return None
    rival = seen.on_gpu[0]
    memory = "" if rival.memory is None else f" with {size(rival.memory)}"
    slower = f"the epoch took {trial.epochs[-1].seconds:.0f} s instead of {usual:.0f} s"
    return Diagnosis(
        "contended",
        f"pid {rival.pid} ({rival.name}) is on the same GPU{memory}; {slower}",
        f"`ps -fp {rival.pid}`: end it, or move the run with CUDA_VISIBLE_DEVICES",
    )


_RECENT = 100
"""Epochs that say how long one takes."""


def _usual(epochs: Sequence[EpochRow]) -> float | None:
    """Seconds of the epochs before the newest; the first one warms up."""
    before = [row.seconds for row in epochs[max(1, len(epochs) - _RECENT) : -1]]
    return median(before) if before else None


# Silence.


def _hung(state: State, status: Status, seen: Around) -> Diagnosis:
    """Which process, since when, and what the kernel says of it."""
    reason, action = status.reason or "no reason was given", _TROUBLE["HUNG"]
    if not status.since:
        return Diagnosis("HUNG", reason, action)
    since = f"silent since {clock(status.since)}; {reason}"
    silent = state.engine_pid if status.trial is None else state.trial(status.trial).pid
    found = _stuck(seen.own, silent)
    if found is None:
        return Diagnosis("HUNG", f"pid {silent}, {since}", action)
    place = f" in {found.waits}" if found.waits and found.letter in "SD" else ""
    letter = f" ({found.letter})" if found.letter else ""
    who = f"{found.role}, pid {found.pid}, {doing(found.letter)}{place}{letter}"
    helps = _UNSTUCK.get(found.letter.upper(), action)
    return Diagnosis("HUNG", f"{who}; {since}", helps.format(pid=found.pid))


def _stuck(own: Sequence[Own], silent: int) -> Own | None:
    """One that cannot go on, the engine first, since all wait for it; else the silent one."""
    halted = (each for each in own if each.letter.upper() in _UNSTUCK)
    return next(halted, None) or next((each for each in own if each.pid == silent), None)
