"""Follow a run without a screen: the lines of its log until it ends."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atft_core.cli.control import ask_to_stop
from atft_core.cli.output import say
from atft_core.errors import AtftError, CriteriaNotMetError
from atft_core.run.directory import RunDirectory
from atft_core.run.fold import apply
from atft_core.run.journal import Tail
from atft_core.run.judge.criteria import Verdict, check, overall
from atft_core.run.lock import Holder
from atft_core.run.narrate import lines, outcome, stamp
from atft_core.run.runbook import stage_from_json
from atft_core.run.state import State
from atft_core.run.status import Status, status

POLL_SECONDS = 0.25
INTERRUPTED = 130


def follow(run_dir: Path, *, quiet: bool = False, after: int = 0) -> int:
    """Print what happens after event `after`, until the engine lets go; Ctrl-C stops the run."""
    run = RunDirectory(run_dir)
    if not quiet:
        say(f"Run directory {run_dir}. Ctrl-C stops the run; without this terminal it goes on.",
            to=sys.stderr)  # fmt: skip
    try:
        state, ended = _until_end(run, quiet=quiet, after=after)
    except KeyboardInterrupt:
        with _undisturbed():  # whoever presses twice wants it no less
            ask_to_stop(run, now=True)
        say("\nStopping; the last checkpoint is kept ...", to=sys.stderr)
        _until_end(run, quiet=True, after=0)
        say(f"Continue with: atft resume {run_dir}", to=sys.stderr)
        return INTERRUPTED
    return _exit_code(run, state, ended, quiet=quiet)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without interrupts: half a request would be none."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _until_end(run: RunDirectory, *, quiet: bool, after: int) -> tuple[State, Status]:
    state, tail = State(), Tail(run.events)
    while True:
        held = run.holder()  # before reading: what a dying engine wrote last is read after it
        for stamped in tail.events():
            apply(state, stamped)
            if not quiet and stamped.seq > after:
                for line in lines(state, stamped):
                    say(f"{stamp(stamped.t)[11:]} {line}")
        now = status(state, held, time.time())
        chaining = bool(state.then) and now.name == "FINISHED" and held is Holder.ENGINE
        if not now.live and not chaining and (state.engines or now.name == "DIED"):
            return state, now
        time.sleep(POLL_SECONDS)


def _exit_code(run: RunDirectory, state: State, ended: Status, *, quiet: bool) -> int:
    if ended.name != "FINISHED":
        retry = "Put that right and start again" if state.hopeless else (
            f"Continue with `atft resume {run.path}`"
        )  # fmt: skip
        reason = ended.reason.rstrip(".") or "no reason was written"
        raise AtftError(
            f"The run ended as {ended.name}: {reason}.",
            hint=f"{retry}; its log is {run.log}",
        )
    if not quiet:
        for text in outcome(run, state):
            say(text)
    if not state.stage_spec:
        failed = all(trial.state == "FAIL" for trial in state.trials.values())
        return 1 if failed else 0
    stage = stage_from_json(state.stage_spec, run.path)
    results = check(state, stage)
    if not quiet:
        from atft_core.cli.check import checklist

        say(checklist(results, stage.gate))
        say(f"{stage.title}: {overall(results, state)} (run {ended.name}, {run.path})")
    return 0 if overall(results, state) is Verdict.PASS else CriteriaNotMetError.exit_code
