"""One file that any program may copy: what it writes, atft reads as its own."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from atft_core import writer
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.lock import Holder
from atft_core.run.status import evidence, read_status
from atft_core.run.verdict.diagnose import verdict_line
from atft_core.writer import Run

FILE = Path(writer.__file__)


def state_of(path):
    return read_status(RunDirectory(Path(path)))


def test_a_run_is_read_as_it_was_told(tmp_path):
    with Run(tmp_path / "mine", epochs=3, trials=2, objective="ic", about={"lr": 0.1}) as run:
        for number, bonus in enumerate((0.0, 0.1)):
            with run.trial(lr=0.1, opt="adam") as trial:
                for epoch in range(1, 4):
                    trial.progress(epoch, 1, 2)
                    told = {1: {"ic": epoch / 100 + bonus, "ic_se": 0.01}, 5: {"ic": 0.5}}
                    trial.epoch(epoch, train={"loss": 1 / epoch}, val=told)
            _, status = state_of(run.path)
            assert (status.name, trial.number) == ("RUNNING", number)
    state, status = state_of(tmp_path / "mine")
    assert (status.name, state.lost, len(state.trials)) == ("FINISHED", 0, 2)
    assert [row.metric("ic", 5) for row in state.trials[0].epochs] == [0.5] * 3
    assert state.best.number == 1 and state.best.value == pytest.approx(0.12)
    assert state.trials[0].params == {"lr": 0.1, "opt": "adam"}
    assert RunDirectory(tmp_path / "mine").holder() is Holder.NOBODY
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    assert (
        "Epoch 3/3 trial 1 Val Metrics ic 0.13" in RunDirectory(tmp_path / "mine").log.read_text()
    )
    assert Run(tmp_path / "mine", epochs=1).path.name == "mine.2"


def test_what_is_smaller_when_better(tmp_path):
    with Run(tmp_path / "r", epochs=1, objective="-loss") as run, run.trial() as trial:
        trial.epoch(1, val={"loss": 0.25})
        assert trial.value == -0.25


def test_no_number_is_made_up(tmp_path):
    numpy = pytest.importorskip("numpy")
    with Run(tmp_path / "r", epochs=2, objective="ic") as run:
        with run.trial() as trial:
            trial.epoch(1, train={"loss": float("nan")}, val={"ic": float("inf")})
        with run.trial(x=numpy.float32(0.5)) as trial:
            trial.epoch(1, val={"ic": numpy.float64(0.5), "n": numpy.int64(3)})
    state = evidence(RunDirectory(run.path))
    first, second = state.trials.values()
    assert (first.state, first.value) == ("FAIL", None)
    assert first.reason == "its last epoch told no ic"
    assert (second.value, second.epochs[0].metric("n", 1), second.params["x"]) == (0.5, 3, 0.5)


def test_numbers_that_no_reader_takes_are_left_out_and_the_log_stays_whole(tmp_path):
    with Run(tmp_path / "r", epochs=2, objective="ic") as run:
        with run.trial() as trial:
            trial.epoch(1, val={"ic": 1e300, "n": 10**5000, "m": 10**400, "ok": 1.0})
        with run.trial() as trial:
            trial.epoch(1, val={"ic": 0.1})
        with pytest.raises(ValueError, match="COMPLETE, PRUNED or FAIL"):
            run.trial().end("BOGUS")
    with pytest.raises(ValueError, match="closed"):
        trial.epoch(2, val={"ic": 0.1})
    state = evidence(RunDirectory(run.path))
    assert state.lost == 0 and set(state.trials[0].epochs[0].val["1"]) == {"ok"}
    assert [trial.state for trial in state.trials.values()][:2] == ["FAIL", "COMPLETE"]
    with pytest.raises(ValueError, match="a whole number"):
        Run(tmp_path / "more", epochs=10**30)


def test_what_does_not_fit_on_the_disk_is_raised_and_costs_no_other_line(tmp_path):
    with Run(tmp_path / "run", epochs=1) as run:
        log = run.path / "events.jsonl"
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 30, hard))
        try:
            with pytest.raises(OSError, match="No space left"):
                run.event("alert", level="info", text="does not fit", key="other")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        run.event("alert", level="info", text="fits", key="other")
    state = evidence(RunDirectory(run.path))
    assert (state.lost, state.alerts[0].text) == (0, "fits")


def test_an_interrupt_makes_no_two_lines_of_one_number(tmp_path, monkeypatch):
    write = os.write

    def interrupted(fd, data):
        write(fd, data)
        raise KeyboardInterrupt

    with Run(tmp_path / "run", epochs=2, objective="ic") as run, run.trial() as trial:
        trial.epoch(1, val={"ic": 0.1})
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, "write", interrupted)
            trial.epoch(2, val={"ic": 0.2})
        trial.epoch(3, val={"ic": 0.3})
    state = evidence(RunDirectory(run.path))
    assert [row.epoch for row in state.trials[0].epochs] == [1, 2, 3]
    assert state.lost == 0


def test_whoever_raises_has_failed_and_says_why(tmp_path):
    with pytest.raises(ZeroDivisionError), Run(tmp_path / "r", epochs=2) as run, run.trial():
        _ = 1 / 0
    state, status = state_of(run.path)
    assert (status.name, status.reason) == ("FAILED", "ZeroDivisionError: division by zero")
    assert (state.trials[0].state, state.trials[0].value) == ("FAIL", None)


def test_a_run_without_a_trial_that_completed_has_failed(tmp_path):
    with Run(tmp_path / "r", epochs=2, objective="ic") as run, run.trial() as trial:
        trial.epoch(1, val={"loss": 0.1})
    _, status = state_of(run.path)
    assert (status.name, status.reason) == ("FAILED", "no trial completed")
    with Run(tmp_path / "none", epochs=2) as run:
        pass
    assert state_of(run.path)[1].name == "FINISHED"


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"trials": -1}, {"horizon": 1.5}, {"epochs": "3"}]
)
def test_counts_that_are_none_are_refused_before_there_is_a_run(tmp_path, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*: a whole number from 1 to"):
        Run(tmp_path / "r", **{"epochs": 1, **wrong})
    assert not (tmp_path / "r").exists()


def test_programs_that_start_at_once_get_a_directory_each(tmp_path):
    code = (
        "import sys, time; from atft_core.writer import Run\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "run = Run(sys.argv[1], epochs=1, objective='-loss'); print(run.path.name)\n"
        "with run, run.trial() as trial: trial.epoch(1, val={'loss': 1.0})"
    )
    for attempt in range(4):
        wanted, then = tmp_path / f"r{attempt}", str(time.time() + 0.5)
        words = [sys.executable, "-c", code, str(wanted), then]
        started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        names = sorted(each.communicate()[0].strip() for each in started)
        assert names == [wanted.name, *(f"{wanted.name}.{n}" for n in (2, 3, 4))]
        assert {state_of(tmp_path / name)[1].name for name in names} == {"FINISHED"}


def test_what_is_in_the_way_is_a_value_error(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for wanted in ("file", "file/below", "other"):
        with pytest.raises(ValueError, match=r"file is in the way|holds something that is no run"):
            Run(tmp_path / wanted, epochs=1)
    assert Run(tmp_path / "empty", epochs=1).path.name == "empty"


def test_epochs_without_a_validation_do_not_count(tmp_path):
    numpy = pytest.importorskip("numpy")
    with Run(tmp_path / "r", epochs=numpy.int64(4), objective="-mse") as run, run.trial() as trial:
        for epoch, val in ((1, {"mse": 1.0}), (2, {}), (3, {"mse": 0.5}), (4, None)):
            trial.epoch(epoch, val=val)
    assert state_of(run.path)[0].trials[0].value == -0.75


def test_whoever_is_killed_is_dead_and_nothing_else(tmp_path):
    code = (
        "import os, sys; from atft_core.writer import Run\n"
        "trial = Run(sys.argv[1], epochs=2).trial(); trial.epoch(1, val={'loss': 1.0})\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")], check=False)
    assert done.returncode == -signal.SIGKILL
    state, status = state_of(tmp_path / "r")
    assert status.name == "DIED" and len(state.trials[0].epochs) == 1 and state.lost == 0
    assert "resume" not in f"{status.reason} {verdict_line(state, status).action}"
    assert "start its program again" in verdict_line(state, status).action


def test_a_fork_writes_nothing_and_threads_lose_nothing(tmp_path):
    with Run(tmp_path / "r", epochs=20, trials=4, objective="ic") as run:
        if (child := os.fork()) == 0:
            run.event("trial_asked", trial=99, params={})
            run.trial().epoch(1, val={"ic": 9.0})
            run.close("FAILED")
            os._exit(0)
        os.waitpid(child, 0)

        def work():
            with run.trial() as trial:
                for epoch in range(1, 21):
                    trial.epoch(epoch, val={"ic": 0.1, "note": "text", "none": None})

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    state, status = state_of(run.path)
    assert (status.name, state.lost, sorted(state.trials)) == ("FINISHED", 0, [0, 1, 2, 3])
    assert {len(trial.epochs) for trial in state.trials.values()} == {20}
    assert set(state.trials[0].epochs[0].val["1"]) == {"ic"}


def test_a_stop_is_heard_and_anything_else_is_answered(tmp_path):
    with Run(tmp_path / "r", epochs=9, objective="ic") as run, run.trial() as trial:
        assert not trial.stop_asked()
        directory = RunDirectory(run.path)
        ids = [write_request(directory, op, {"now": False}, user="u", host="h", t=1.0)
               for op in ("prune", "stop")]  # fmt: skip
        (run.path / "requests" / "broken.json").write_text("[1")
        trial.epoch(1, val={"ic": 0.1})
        assert trial.stop_asked() and run.stop == "after"
    state, status = state_of(run.path)
    assert (status.name, status.reason) == ("STOPPED", "stopped on request")
    assert [state.answered[i][0] for i in ids] == [False, True]
    assert state.answered["broken"][0] is False


def test_a_directory_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "panel.parquet").touch()
    with pytest.raises(ValueError, match="holds something that is no run"):
        Run(tmp_path / "data", epochs=1)
    with pytest.raises(ValueError, match="letters, digits"):
        Run(tmp_path / "a b", epochs=1)


def test_a_copy_of_the_file_needs_nothing_but_python(tmp_path):
    (tmp_path / "atft_writer.py").write_text(FILE.read_text())
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from atft_writer import Run\n"
        "with Run(sys.argv[1] + '/r', epochs=1) as run, run.trial() as trial:\n"
        "    trial.epoch(1, val={'loss': 1.0})\n"
        "outside = {n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)\n"
        "assert outside <= {'__main__', 'atft_writer'}, outside"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(tmp_path)], check=True)
    assert state_of(tmp_path / "r")[1].name == "FINISHED"
    assert json.loads((tmp_path / "r" / "trial_0" / "metrics.json").read_text())["state"]
