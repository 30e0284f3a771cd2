"""Stop, resume, prune, enqueue, holdout: what can be done to a run that exists."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atft_core import launch
from atft_core.cli.output import confirm, print_json, say
from atft_core.config.load import parse_assignment
from atft_core.errors import AtftError, RunDirectoryError, UsageError
from atft_core.run import user
from atft_core.run.access import refuse_own_program
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.processes.alive import signal_listener
from atft_core.run.status import evidence, load, read_status, status
from atft_core.run.wording import several, signed

ANSWER_SECONDS = 10.0


def ask(run: RunDirectory, op: str, args: dict[str, Any]) -> str:
    """Leave a request and wait for the engine's answer; empty when there is none yet.

    AtftError when the engine refuses.
    """
    asked = write_request(run, op, args, user=user.name(), host=socket.gethostname(), t=time.time())
    give_up = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < give_up:
        answers = load(run).answered
        if asked in answers:
            obeyed, message = answers[asked]
            if not obeyed:
                raise AtftError(f"The engine of {run.path} refused: {message}.")
            return message
        time.sleep(0.1)
    return ""


def stop(run_dir: Path, *, now: bool, as_json: bool) -> None:
    """Ask a run to stop after its running trial, or now; on a full disk by a signal."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    _refuse_ended(run, "stop")
    _answered(run, ask_to_stop(run, now=now), as_json=as_json)


def ask_to_stop(run: RunDirectory, *, now: bool) -> str:
    """The engine's answer, empty when there is none yet; on a full disk it is sent a signal."""
    try:
        return ask(run, "stop", {"now": now})
    except RunDirectoryError as error:
        if not now or not _signal(run):
            raise
        return f"{error.message} Its engine was sent SIGTERM instead: it stops now."


def _signal(run: RunDirectory) -> bool:
    """Have the engine end in order without a file; whether it is on this machine."""
    state = load(run)
    here = state.host == socket.gethostname()
    return here and signal_listener(state.engine_pid, state.engine_start_time, signal.SIGTERM)


def prune(run_dir: Path, trial: int, *, as_json: bool) -> None:
    """Give up on a running trial; the sweep goes on with the next one."""
    _request(run_dir, "prune", {"trial": trial}, as_json=as_json)


def enqueue(run_dir: Path, like: int | None, assignments: Sequence[str], *, as_json: bool) -> None:
    """Ask for one more trial: the parameters of another one, some of them changed."""
    state, _ = read_status(RunDirectory(run_dir.absolute()))
    source = state.trials.get(like) if like is not None else state.best or state.trials.get(0)
    if source is None:
        raise UsageError(f"{run_dir} has no trial {'yet' if like is None else like}.")
    params = dict(source.params)
    for text in assignments:
        key, value = parse_assignment(text)
        if key not in params:
            raise UsageError(
                f"{key} is not searched by this run.", hint=f"It searches {', '.join(params)}."
            )
        params[key] = _typed_like(params[key], key, value)
    _request(run_dir, "enqueue", {"params": params}, as_json=as_json)


def _typed_like(known: Any, key: str, value: Any) -> Any:
    """A value as it was typed, of the kind that the parameter has."""
    if not isinstance(value, str) or isinstance(known, str):
        return value
    try:
        if isinstance(known, bool):
            return {"true": True, "false": False}[value.lower()]
        number = float(value)
    except (KeyError, ValueError):
        raise UsageError(f"{key} = {value!r} is nothing like {known!r}.") from None
    whole = isinstance(known, int) and number.is_integer()
    return int(number) if whole else number


def _request(run_dir: Path, op: str, args: dict[str, Any], *, as_json: bool) -> None:
    """Ask a live run for something, and say what it answers."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    _refuse_ended(run, op)
    _answered(run, ask(run, op, args), as_json=as_json)


def _refuse_ended(run: RunDirectory, op: str) -> None:
    _, found = read_status(run)
    if not found.live:
        told = f"{found.name}, {found.reason}" if found.name == "DIED" else found.name
        raise AtftError(
            f"{run.path} is not running: {told}. There is nothing to {op}.",
            hint=f"`atft status {run.path}` says more.",
        )


def _answered(run: RunDirectory, message: str, *, as_json: bool) -> None:
    if not message:
        raise AtftError(
            f"The engine of {run.path} has not answered for {ANSWER_SECONDS:.0f} s.",
            hint=f"The request is left for it. `atft status {run.path}` says what it is doing.",
        )
    if as_json:
        print_json({"run_dir": str(run.path), "message": message})
    else:
        say(f"{run.path}: {message}")


def resume(run_dir: Path, *, detach: bool, as_json: bool) -> int:
    """Start the engine of a stopped or dead run again."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    holder = run.holder()
    before = evidence(run)
    found = status(before, holder, time.time())
    concluded = before.significance or before.walk or before.own_program
    unconcluded = before.best is not None and not concluded
    if found.name == "FINISHED" and not unconcluded:
        raise UsageError(
            f"{run_dir} is finished; there is nothing to resume.",
            hint=f"`atft check {run_dir}` shows its evidence.",
        )
    launch.resume_engine(run.path)
    if before.lost:
        lost = f"{several(before.lost, 'event')} of its log cannot be read"
        say(f"Warning: {lost}: it goes on, but opens no gate any more.", to=sys.stderr)
    if as_json:
        print_json({"run_dir": str(run.path)})
    if detach:
        if not as_json:
            say(f"The run goes on by itself. Watch it: atft-tui {run_dir}")
        return 0
    from atft_core.cli.follow import follow

    return follow(run.path, quiet=as_json, after=before.seq)


def score(run_dir: Path, trial: int, *, confirmed: bool, as_json: bool) -> None:
    """Score the holdout after a confirmation, and count the look."""
    from atft_core.engine.holdout import count_looks, look

    run = RunDirectory(run_dir.absolute())
    facts = run.facts()
    refuse_own_program(run)
    looks = count_looks(str(facts["data"]["hash"]))
    if not confirmed:
        confirm(
            f"The holdout of this data has been looked at {several(looks, 'time')}.\n"
            f"Score trial {trial} on it? Every look makes it worth less.",
            refusal="Scoring the holdout needs a confirmation",
            hint="Add --yes. It should be looked at once, after every choice has been made.",
            declined="Not scored.",
        )
    scored = look(run, trial)
    if as_json:
        print_json({"trial": trial, "looks": scored.looks, "holdout": scored.metrics})
        return
    say(f"Trial {trial} on the holdout, look {scored.looks} at this data:")
    for horizon, values in scored.metrics.items():
        shown = {key: values.get(key) for key in ("rank_ic", "rank_ic_se", "rank_ic_t", "ic")}
        text = "  ".join(f"{k} {signed(v)}" for k, v in shown.items() if v is not None)
        say(f"  h={horizon:<3} {text}  days {values.get('days')}")
