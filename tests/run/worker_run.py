"""A run with a real configuration and a real process in the place of its worker."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.processes.alive import start_time
from atft_core.run.status import load

PARAMS = {"model.hidden": 64, "loss.rank_ic": 0.4}
SEARCH = (
    'search={ "model.hidden" = { choices = [32, 64] }, "loss.rank_ic" = { low = 0.3, high = 0.7 } }'
)
OBSERVED = {
    "feed": "mmap", "feed_reason": "it fits", "start_method": "spawn", "device": "cpu",
    "threads": 2, "amp": "off", "compile": "off", "val_debug": False, "max_batches": 0,
    "block_days": 16, "lookback": 21, "seed": 0, "code": "v1", "torch": "2.13.0",
    "loss": {"rank_ic": 0.4, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05},
}  # fmt: skip


@contextmanager
def sleeper(code="import time; time.sleep(600)", **environ):
    """A process with exactly this environment, and a name by which it is known to be there."""
    process = subprocess.Popen([sys.executable, "-c", code], env={**environ, "STARTED": "1"})
    try:
        while b"STARTED" not in Path(f"/proc/{process.pid}/environ").read_bytes():
            time.sleep(0.001)  # the kernel is still putting it there
        yield process.pid
    finally:
        process.kill()
        process.wait()


def make_run(
    path, pid=0, *, assignments=(), observed=OBSERVED, params=PARAMS, environment=(), host=None,
    end="",
):  # fmt: skip
    """The directory and the state of a run; `pid` is the worker of its trial 0."""
    run = create(path)
    resolved = resolve(assignments=[SEARCH, *assignments], environ={})
    run.config.write_text(to_toml(resolved.config, resolved.origins))
    facts = {"schema": 1, "created": run.config.stat().st_mtime, "code": "v1",
             "versions": {"torch": "2.13.0"}, "executable": sys.executable,
             "environment": [list(row) for row in environment]}  # fmt: skip
    write_json(run.run_json, facts)
    run.trial(0).path.mkdir()
    write_json(run.trial(0).params, {"params": params})
    host = socket.gethostname() if host is None else host
    engine = os.getpid()
    with Journal(run.events) as journal:
        journal.append(ev.RunStarted(run=path.name, n_trials=2, max_epochs=3))
        journal.append(ev.EngineStarted(pid=engine, start_time=start_time(engine), host=host))
        journal.append(ev.TrialAsked(trial=0, params=PARAMS))
        journal.append(ev.WorkerStarted(trial=0, pid=pid, start_time=start_time(pid)))
        journal.append(ev.Settings(trial=0, worker_seq=1, values=observed))
        if end:
            journal.append(ev.TrialEnded(trial=0, state=end, value=0.1))
    return run, load(run)
