"""What a run is said to be doing: the lock, the log and the clock decide together."""

import os
import socket

import pytest
from run_builders import Log, dry_run, sweep, written

from atft_core.run import events as ev
from atft_core.run.lock import EngineLock, Holder
from atft_core.run.processes.alive import start_time
from atft_core.run.state import State
from atft_core.run.status import load, read_status, status

IN_TRAINING = Log().start().worker().add(ev.Progress(trial=0, worker_seq=9, epoch=1, phase="train"))
BETWEEN = sweep([0.1, 0.2], end="")
STOPPING = Log().start().worker().add(ev.StopRequested())
STOPPING_NOW = Log().start().worker().add(ev.StopRequested(), ev.StopRequested(now=True))
ENDED, STOPPED = dry_run(), sweep([0.1], end="STOPPED")
OWN = sweep([0.1], end="", identity={"code": "writer 1"})
STUDY = sweep([0.1], end="", identity={"code": "writer 1, watching"})
STARTED = Log().add(ev.RunStarted(run="r"), ev.DataReady())
ENGINE, NOBODY, ELSEWHERE = Holder.ENGINE, Holder.NOBODY, Holder.UNKNOWN


@pytest.mark.parametrize(
    ("log", "holder", "silent", "name", "reason"),
    [
        (IN_TRAINING, ENGINE, 1, "RUNNING", ""),
        (IN_TRAINING, ENGINE, 300, "RUNNING", ""),
        (IN_TRAINING, ENGINE, 301, "HUNG", "trial 0, train: nothing for 301 s"),
        (IN_TRAINING, ENGINE, -50, "RUNNING", ""),  # a clock that was set back
        (IN_TRAINING, NOBODY, 1, "DIED", "while trial 0 was at epoch 1"),
        (IN_TRAINING, ELSEWHERE, 9999, "UNKNOWN", "host h"),
        (BETWEEN, ENGINE, 1700, "RUNNING", ""),
        (BETWEEN, ENGINE, 1801, "HUNG", "the engine: nothing for 1801 s"),
        (BETWEEN, NOBODY, 1, "DIED", "atft resume"),
        (OWN, ENGINE, 90000, "RUNNING", ""),
        (OWN, NOBODY, 1, "DIED", "its program is gone"),
        (STUDY, ENGINE, 90000, "RUNNING", "no trial of the study is at work"),
        (STARTED, ENGINE, 1, "RUNNING", ""),
        (STARTED, NOBODY, 1, "UNKNOWN", "no engine has started"),
        (STOPPING, ENGINE, 1, "STOPPING", "after the running trial"),
        (STOPPING, ENGINE, 400, "HUNG", "trial 0"),
        (STOPPING, NOBODY, 1, "DIED", ""),
        (STOPPING_NOW, ENGINE, 1, "STOPPING", "now"),
        (ENDED, ENGINE, 9999, "FINISHED", ""),
        (ENDED, NOBODY, 9999, "FINISHED", ""),
        (ENDED, ELSEWHERE, 9999, "FINISHED", ""),
        (STOPPED, NOBODY, 1, "STOPPED", ""),
    ],
)  # fmt: skip
def test_the_truth_table(log, holder, silent, name, reason):
    found = status(log.state, holder, log.t + silent)
    assert found.name == name
    assert reason in found.reason
    assert found.live == (name in ("RUNNING", "STOPPING", "HUNG"))


@pytest.mark.parametrize(("phase", "budget"), [("start", 300), ("load", 600), ("validate", 300)])
def test_each_phase_has_its_budget(phase, budget):
    log = Log().start().worker().add(ev.Progress(trial=0, worker_seq=9, phase=phase))
    assert status(log.state, ENGINE, log.t + budget).name == "RUNNING"
    assert status(log.state, ENGINE, log.t + budget + 1).name == "HUNG"


def test_the_budget_can_be_configured():
    log = Log().start(identity={"hung_seconds": 20}).worker()
    log.add(ev.Progress(trial=0, worker_seq=9, phase="train"))
    assert status(log.state, ENGINE, log.t + 21).name == "HUNG"


def test_one_silent_worker_among_busy_ones_is_found():
    log = Log().start(n_trials=2).worker(0).worker(1)
    log.add(ev.Progress(trial=1, worker_seq=9, phase="train"), after=400)
    found = status(log.state, ENGINE, log.t)
    assert (found.name, "trial 0" in found.reason) == ("HUNG", True)


def test_an_engine_that_just_came_back_does_not_call_its_worker_hung():
    log = Log().start().worker().add(ev.EngineStarted(pid=2), after=7200)
    assert status(log.state, ENGINE, log.t + 10).name == "RUNNING"


def test_a_run_on_disk_is_read_with_its_lock(tmp_path):
    run = written(IN_TRAINING, tmp_path / "run")
    lock = EngineLock(run.lock)
    assert read_status(run)[1].name == "RUNNING"
    lock.release()
    state, found = read_status(run)
    assert (found.name, state.trials[0].phase) == ("DIED", "train")


def test_a_run_without_a_log_is_empty(tmp_path):
    run = written(Log(), tmp_path / "run")
    run.events.unlink()
    assert load(run) == State()


def test_an_engine_that_lives_without_its_lock_is_at_work():
    def started(pid, host, begun):
        event = ev.EngineStarted(pid=pid, start_time=begun, host=host)
        return Log().add(ev.RunStarted(run="r"), event)

    me, here = os.getpid(), socket.gethostname()
    alive = started(me, here, start_time(me))
    assert status(alive.state, NOBODY, alive.t + 1).name == "RUNNING"
    for other in (started(me, here, 1.0), started(me, "elsewhere", start_time(me))):
        assert status(other.state, NOBODY, other.t + 1).name == "DIED"


def test_the_word_of_an_end_reaches_no_terminal_as_it_is():
    found = status(State(end_state="\x1b]52;c;T1dORUQ=\x07PWN", engines=1), Holder.NOBODY, 0.0)
    assert "\x1b" not in found.name
    assert "\x07" not in found.name
