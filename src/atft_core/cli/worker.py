"""`atft worker`: the program that an engine starts for a trial, started by a person or a scheduler.

It leaves what an engine's own worker leaves; the next engine of the run takes it from there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from atft_core.config.load import read_resolved
from atft_core.engine.local import command, environment
from atft_core.engine.programs import Programs, programs_of
from atft_core.engine.trust import refuse_strange_code
from atft_core.errors import RunBusyError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.lock import Holder, owner, probe
from atft_core.run.state import ENDED
from atft_core.run.status import evidence, load


def work(run_dir: Path, trial: int, threads: int) -> None:
    """Become the worker of a trial. Returns never; errors where there is nothing to work at."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    files, known = run.trial(trial), load(run).trials.get(trial)
    if known is None or not files.params.exists():
        raise UsageError(
            f"{run.path} has not asked for trial {trial} yet.",
            hint="An engine asks the study for parameters; a worker only computes.",
        )
    if known.state in ENDED:
        raise UsageError(f"Trial {trial} of {run.path} is through ({known.state}).")
    if probe(files.lock) is not Holder.NOBODY:
        who = owner(files.lock)
        raise RunBusyError(
            f"Trial {trial} of {run.path} has a worker already (pid {who.get('pid', '?')} "
            f"on {who.get('host', 'this host')}).",
            hint="It is watched with `atft status`. On another host its lock cannot be seen: "
            f"if that host is gone for good, rm {files.lock}",
        )
    config = read_resolved(run.config)
    os.chdir(run.place())
    refuse_strange_code(run, config, evidence(run))
    files.control.unlink(missing_ok=True)  # an order to an earlier worker
    module = programs_of(config, Programs()).worker
    words = command(run, trial, max(1, known.attempt), module, threads)
    sys.stdout.flush()
    os.execve(words[0], words, environment())  # noqa: S606 -- the worker itself, no shell
