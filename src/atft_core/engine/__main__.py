"""The engine process: `python -m atft_core.engine start < spec.json`, or `resume RUN_DIR`.

It answers its parent with one line of JSON and from then on speaks through the run directory.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from atft_core.config.load import read_resolved
from atft_core.config.schema import Config
from atft_core.engine.chain import start_next
from atft_core.engine.create import Spec, new_run
from atft_core.engine.prepare import prepare
from atft_core.engine.session import Session
from atft_core.engine.supervise import supervise
from atft_core.errors import AtftError, EngineError
from atft_core.launch import answer, answer_refusal
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, refuse_shared
from atft_core.run.lock import EngineLock


def main(argv: list[str]) -> int:
    """Start or resume a run and see it through."""
    try:
        if argv[0] == "start":
            run, config, lock = new_run(Spec(**json.load(sys.stdin)))
        else:
            run, config, lock = reopen(RunDirectory(Path(argv[1]).absolute()))
    except AtftError as error:
        answer_refusal(error)
        return error.exit_code
    answer(run_dir=str(run.path))
    _leave_terminal(run)
    return _work(run, config, lock)


def reopen(run: RunDirectory) -> tuple[RunDirectory, Config, EngineLock]:
    """Take over a run that stopped or died; EngineError when there is nothing to do."""
    facts = run.facts()
    refuse_shared(run.path)
    lock = EngineLock(run.lock)
    config = read_resolved(run.config)
    os.umask(0o027 if config.engine.group else 0o077)
    if Path(facts["cwd"]).is_dir():  # the runbook's directories are relative to it
        os.chdir(facts["cwd"])
    prepared = prepare(config, demo=bool(facts["identity"].get("demo")))
    if prepared.facts["hash"] != facts["data"]["hash"]:
        raise EngineError(
            f"{config.data.path} has changed since this run started.",
            hint="Trials on other data do not belong into one study: start a new run.",
        )
    if prepared.identity["code"] != facts["code"]:
        sys.stderr.write(f"note: this run was started by {facts['code']}\n")
    return run, config, lock


def _leave_terminal(run: RunDirectory) -> None:
    """From here on whatever is printed, a traceback above all, belongs into the run's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(null)


def _work(run: RunDirectory, config: Config, lock: EngineLock) -> int:
    with Session(run, config, lock) as session:
        session.deadline = session.state.until
        try:
            end = supervise(session)
        except Exception as error:  # noqa: BLE001 -- the last frame: a dead engine must say why
            traceback.print_exc()
            session.record(ev.RunEnded(state="FAILED", reason=f"engine error: {error!r}"[:500]))
            return 1
        start_next(session, end)
    return 0 if end.state == "FINISHED" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
