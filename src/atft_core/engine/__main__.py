"""The engine process: `python -m atft_core.engine start < spec.json`, or `resume RUN_DIR`.

It answers its parent with one line of JSON and from then on speaks through the run directory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from optuna.exceptions import StorageInternalError

from atft_core.config.hashing import code_version, config_hash
from atft_core.config.load import read_resolved
from atft_core.config.schema import Config
from atft_core.engine.chain import start_next
from atft_core.engine.cluster.connect import enter_cluster
from atft_core.engine.create import Spec, new_run, refuse_small_disk
from atft_core.engine.follow import end_workers
from atft_core.engine.pause import told
from atft_core.engine.prepare import prepare
from atft_core.engine.programs import Programs
from atft_core.engine.rebuild import why_unusable
from atft_core.engine.session import Session
from atft_core.engine.shared import engine_options
from atft_core.engine.supervise import supervise
from atft_core.engine.trust import refuse_strange_code
from atft_core.errors import AtftError, EngineError, RunBusyError, RunDirectoryError
from atft_core.launch import answer, answer_refusal
from atft_core.run import events as ev
from atft_core.run import plugins
from atft_core.run.directory import RunDirectory, refuse_shared
from atft_core.run.files import open_to_write, write_json
from atft_core.run.lock import EngineLock
from atft_core.run.processes.stacks import stacks_on_request
from atft_core.run.state import State
from atft_core.run.status import evidence, read_status

_WHEN_STOPPED = (
    "Resume it once `atft status` says STOPPED; `atft stop --now` does not wait, and what is "
    "half done goes on from its checkpoint then."
)


def main(argv: list[str], programs: Programs = Programs()) -> int:  # noqa: B008 -- frozen
    """Start or resume a run and see it through."""
    try:
        session = _open(argv, programs)
        log = open_to_write(session.run.log, append=True)
    except AtftError as error:
        answer_refusal(error)
        return error.exit_code
    except OSError as error:  # a file of the run that is not what it must be
        answer_refusal(RunDirectoryError(_told(error), hint="Put it right, or start a new run."))
        return RunDirectoryError.exit_code
    answer(run_dir=str(session.run.path))
    _leave_terminal(log)
    _allow_many_files()
    with stacks_on_request(session.run.engine_stacks):
        return _work(session)


def _open(argv: list[str], programs: Programs) -> Session:
    """The run's session; once this returns, the run's log says who its engine is."""
    if argv[0] == "start":
        session = Session(*new_run(Spec(**json.load(sys.stdin))), programs=programs)
    else:
        session = Session(*reopen(RunDirectory(Path(argv[1]).absolute())), programs=programs)
    session.deadline = _deadline(session.state)
    session.announce(code_version())
    return session


def reopen(run: RunDirectory) -> tuple[RunDirectory, Config, EngineLock, State]:
    """Take over a run that stopped or died; EngineError when there is nothing to do."""
    facts = run.facts()
    refuse_shared(run.path)
    refuse_small_disk(run.path)
    _refuse_live(run)
    lock = EngineLock(run.lock)
    begun = evidence(run)
    _refuse_written_by_others(run, begun)
    config = read_resolved(run.config)
    os.umask(0o027 if config.engine.group else 0o077)
    os.chdir(run.place())  # the runbook's directories are relative to it
    _refuse_edited(run, config, begun)
    enter_cluster(config)
    if config.engine.storage:  # the server is asked once it is needed, and waited for
        engine_options(config)
    else:
        _refuse_other_study(run, begun)
    refuse_strange_code(run, config, begun)
    demo, sums = bool(begun.identity.get("demo")), plugins.sums_in(begun.identity)
    prepared = prepare(config, demo=demo, sums=sums)
    if prepared.identity["data_hash"] != begun.identity.get("data_hash"):
        raise EngineError(
            f"{config.data.path} (or a file beside it) has changed since this run started.",
            hint="Trials on other data do not belong into one study: start a new run.",
        )
    if str(prepared.cache) != facts.get("cache"):  # built again in another place
        write_json(run.run_json, {**facts, "cache": str(prepared.cache)})
    return run, config, lock, begun


def _refuse_live(run: RunDirectory) -> None:
    """An engine whose lock file was removed is still at work."""
    state, status = read_status(run)
    if status.name == "STOPPING":
        raise RunBusyError(f"{run.path} is just stopping{_waits_for(state)}.", hint=_WHEN_STOPPED)
    if status.live:
        raise RunBusyError(
            f"{run.path} belongs to a running engine (pid {state.engine_pid}).",
            hint=f"Watch it with `atft status {run.path}`, end it with `atft stop {run.path}`.",
        )


def _waits_for(state: State) -> str:
    """The trials that a run which stops still finishes."""
    running = [str(trial.number) for trial in state.at_work]
    if not running:
        return ""
    which = f"trial {running[0]}" if len(running) == 1 else f"trials {', '.join(running)}"
    return f": it waits for {which} to come to the end"


def _refuse_written_by_others(run: RunDirectory, begun: State) -> None:
    """A run that some program has written (atft_core.writer) has no engine to go on with."""
    if begun.written:
        raise EngineError(
            f"{run.path} was written by a program of its own.", hint="Start that program again."
        )


def _refuse_edited(run: RunDirectory, config: Config, begun: State) -> None:
    """A study has one configuration: its evidence counts for what its log names."""
    if not begun.n_trials:
        raise RunDirectoryError(
            f"{run.events} does not say how this run began: it is missing or damaged.",
            hint="Restore it from a copy, or start a new run.",
        )
    scale = (config.engine.n_trials, config.train.max_epochs, config.engine.study_name)
    planned = (begun.n_trials - len(begun.added), begun.max_epochs, begun.study_name)
    if config_hash(config) != begun.identity.get("config_hash") or scale != planned:
        raise EngineError(
            f"{run.config} is not the configuration that this run started with.",
            hint="Was it edited, or written by another version of atft? Put it back as it was, "
            "or start a new run.",
        )


def _refuse_other_study(run: RunDirectory, begun: State) -> None:
    """A study that says other things than the log would draw the next trials from them."""
    if why := why_unusable(run.study, begun):
        raise EngineError(
            f"{run.path}: {why}.",
            hint=f"`atft repair {run.path}` makes it again from the event log.",
        )


def _leave_terminal(log: BinaryIO) -> None:
    """From here on whatever is printed, a traceback above all, belongs into the run's log."""
    with suppress(BrokenPipeError):  # whoever started it may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    with log, Path(os.devnull).open("rb") as null:
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source.fileno(), target)


def _allow_many_files() -> None:
    """Each trial at work holds a few; shells allow 1,024 unless a program asks for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _work(session: Session) -> int:
    with session:
        try:
            end = supervise(session)
        except Exception as error:  # noqa: BLE001 -- the last frame: a dead engine must say why
            traceback.print_exc()
            end_workers(session)
            why = f"engine error: {_told(error)}"[:500]
            sys.stderr.write(f"{why}\n")  # to the log: the last word may find no room
            with suppress(OSError):
                session.record(ev.RunEnded(state="FAILED", reason=why))
            return 1
        start_next(session, end)
    return 0 if end.state == "FINISHED" else 1


def _told(error: Exception) -> str:
    """What an error says: ours in words with their hint, the system's with the file."""
    if isinstance(error, AtftError):
        return " ".join(str(error).split())
    if isinstance(error, StorageInternalError):
        return f"{told(error)}; is another program at it? `atft resume` goes on"
    return told(error) if isinstance(error, OSError) else repr(error)


def _deadline(state: State) -> float | None:
    """The time budget; one that had run out before this run was resumed no longer counts."""
    spent = state.engines > 0 and state.until is not None and state.until <= time.time()
    return None if spent else state.until


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
