"""Programs of the user's own: whatever they do, the run says what it was and goes on."""

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

import empty
import psutil
import pytest
from drill import ALL, assert_log_equals_study, atft, kill, refused, start, wait_for, wait_for_end

from atft_core.run.directory import RunDirectory
from atft_core.run.processes.alive import start_time
from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SCRIPT = """
import json, os, pathlib, subprocess, sys, time
how, epochs, value = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
job = pathlib.Path(os.environ["ATFT_JOB_DIR"])
first = os.environ["ATFT_JOB_ATTEMPT"] == "1"
print("%|####     | not a line", end="\\r")
for epoch in range(1, epochs + 1):
    time.sleep(0.3)
    if how == "hang" and epoch == 2 and first:
        (job / "child.pid").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
        time.sleep(600)
    if how == "kill" and epoch == 2 and first:
        os.kill(os.getpid(), 9)
    if how == "fail" and epoch == 2:
        sys.exit("no such column: close")
    if how == "memory" and epoch == 2:
        raise SystemExit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB")
    if how == "nan" and epoch == 2:
        value = float("nan")
    if how == "mute":
        continue
    print(json.dumps({"epoch": epoch, "train_loss": 1 / epoch, "score": value + epoch}), flush=True)
"""


def begun(tmp_path, how, *, trials=1, epochs=4, **values):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    argv = [sys.executable, str(script), how, "{epochs}", "{x}"]
    sets = {"command.argv": json.dumps(argv), "command.params": "{x=1.0}",
            "command.value": "score", **values}  # fmt: skip
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    out = tmp_path / "run"
    atft("hpo", "--n-trials", trials, "--max-epochs", epochs, "--study-name", "c", "--output-dir",
         out, "--detach", *words)  # fmt: skip
    return RunDirectory(out)


def epochs_of(run, trial=0):
    return [row.epoch for row in load(run).trials[trial].epochs]


def test_a_program_is_tuned_like_our_own_model(tmp_path):
    run = begun(tmp_path, "well", trials=3, **{"search.command.params.x": "0.5..2.0"})
    state, status = wait_for_end(run)
    assert status.name == "FINISHED", status.reason
    values = [trial.value for trial in state.trials.values()]
    params = [trial.params["command.params.x"] for trial in state.trials.values()]
    assert params[0] == 1.0 and len(set(params)) == 3
    assert values == pytest.approx([x + 3 for x in params]), "the median of the last three epochs"
    assert state.best.value == max(values)
    assert_log_equals_study(run)
    metrics = json.loads(run.trial(0).metrics.read_text())
    assert [row["val"]["1"]["score"] for row in metrics["epochs"]] == [2.0, 3.0, 4.0, 5.0]
    assert "not a line" not in run.trial(0).log.read_text()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("fail", "exit code 1: no such column: close"),
        ("memory", "OOM: exit code 1: torch.OutOfMemoryError: CUDA out of memory"),
        ("nan", "NAN: score is nan at epoch 2"),
        ("mute", "ended well, but told no score of an epoch"),
    ],
)
def test_a_program_that_fails_says_why(tmp_path, how, said):
    run = begun(tmp_path, how)
    state, status = wait_for_end(run)
    assert (status.name, state.trials[0].state, state.trials[0].value) == ("FAILED", "FAIL", None)
    assert said in state.trials[0].reason
    log = run.trial(0).log.read_text()
    assert f"The trial fails: {said.removeprefix('OOM: ').removeprefix('NAN: ')}" in (
        log.replace("the program ", "")
    )
    assert "Traceback" not in log, "no traceback of ours below what it said itself"
    assert epochs_of(run) == ([] if how == "mute" else [1])
    assert_log_equals_study(run)


def test_one_that_is_killed_is_started_again_and_its_epochs_stay(tmp_path):
    run = begun(tmp_path, "kill")
    state, status = wait_for_end(run)
    trial = state.trials[0]
    assert (status.name, trial.attempt, trial.crashes) == ("FINISHED", 2, 1)
    assert "killed by SIGKILL" in " ".join(trial.mishaps)
    assert epochs_of(run) == [1, 2, 3, 4] and trial.value == 4.0


def test_one_that_says_nothing_is_ended_with_all_that_it_started(tmp_path):
    run = begun(tmp_path, "hang", **{"engine.hung_seconds": 3})
    state, status = wait_for_end(run)
    trial = state.trials[0]
    assert (status.name, epochs_of(run)) == ("FINISHED", [1, 2, 3, 4])
    assert [said.partition(":")[0] for said in trial.mishaps] == ["HUNG"]
    child = int((run.trial(0).path / "child.pid").read_text())
    assert not start_time(child), "no more than a name that nobody asked for"


def test_a_stop_reaches_the_program_and_a_resume_starts_it_again(tmp_path):
    run = begun(tmp_path, "well", epochs=20)
    wait_for(run, lambda s: s.trials and len(s.trials[0].epochs) >= 2)
    worker = load(run).trials[0].pid
    atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    assert (status.name, state.trials[0].state) == ("STOPPED", "WAITING")
    assert not group_of(worker)
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert (status.name, epochs_of(run)) == ("FINISHED", list(range(1, 21)))
    assert_log_equals_study(run)


@pytest.mark.parametrize("whom", ["engine", "worker"])
def test_a_kill_of_engine_or_worker_loses_nothing(tmp_path, whom):
    run = begun(tmp_path, "well", epochs=12)
    state = wait_for(run, lambda s: s.trials and len(s.trials[0].epochs) >= 2)
    pid = state.engine_pid if whom == "engine" else state.trials[0].pid
    kill(pid)
    if whom == "engine":
        atft("resume", run.path)
    state, status = wait_for_end(run)
    assert (status.name, epochs_of(run)) == ("FINISHED", list(range(1, 13)))
    assert state.trials[0].crashes == (whom == "worker")
    assert_log_equals_study(run)


FULL = ["before trial epoch", "before run epoch", "before open metrics.json"]


@pytest.mark.parametrize("place", FULL if ALL else FULL[:1])
def test_a_full_disk_makes_it_wait_and_it_goes_on(tmp_path, monkeypatch, place):
    run = begun(tmp_path, "well", trials=2)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    monkeypatch.setenv("ATFT_FAULT", empty.fault(tmp_path, place, nth=2, kind="full"))
    atft("resume", run.path, "--detach")
    end = wait_for_end(run, seconds=120)
    assert (tmp_path / "passes0").exists(), "the disk was never full"
    state = load(run)
    said = f"{end} {[alert.text for alert in state.alerts]}"
    assert state.end_state == "FINISHED", said
    assert any(alert.key == "paused" for alert in state.alerts) or "DISK_FULL" in said, said
    assert [trial.state for trial in state.trials.values()] == ["COMPLETE"] * 2
    assert [epochs_of(run, number) for number in (0, 1)] == [[1, 2, 3, 4]] * 2
    assert_log_equals_study(run)


def test_a_script_that_is_edited_meanwhile_is_said_once(tmp_path):
    run = begun(tmp_path, "well", trials=3, epochs=10)
    wait_for(run, lambda s: 0 in s.trials and s.trials[0].epochs)
    (tmp_path / "train.py").write_text(SCRIPT + "# better\n")
    wait_for_end(run)
    (said,) = [alert for alert in load(run).alerts if alert.key == "edited"]
    assert "train.py changed: trial 1 runs another program than this run" in said.text


def test_a_program_that_ignores_the_end_is_killed(tmp_path):
    script = tmp_path / "deaf.py"
    script.write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True:\n    print('.', flush=True)\n    time.sleep(0.2)\n"
    )
    run = begun(tmp_path, "well", epochs=20, **{
        "command.argv": json.dumps([sys.executable, str(script)]), "command.stop_seconds": 1,
    })  # fmt: skip
    state = wait_for(run, lambda s: s.trials and s.trials[0].phase == "train")
    worker = state.trials[0].pid
    assert start_time(worker)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    assert not group_of(worker)


def test_a_program_that_ends_early_is_complete_with_what_it_told(tmp_path):
    run = begun(tmp_path, "well", epochs=9, **{"command.argv": json.dumps(
        [sys.executable, str(tmp_path / "train.py"), "well", "3", "{x}"])})  # fmt: skip
    state, status = wait_for_end(run)
    assert (status.name, epochs_of(run), state.trials[0].crashes) == ("FINISHED", [1, 2, 3], 0)
    assert_log_equals_study(run)


def test_copied_code_that_run_json_alone_names_does_not_run(panel, home):
    run = start(panel, home / "out", epochs=60)
    wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    witness = home / "witness"
    run.plugins.mkdir()
    code = f"open({str(witness)!r}, 'w').close()\nTERMS = {{'e': print}}\n"
    (run.plugins / "evil.py").write_text(code)
    facts = json.loads(run.run_json.read_text())
    facts["identity"]["plugins"] = {"evil.py": hashlib.sha256(code.encode()).hexdigest()}
    run.run_json.write_text(json.dumps(facts))
    atft("resume", run.path, code=None)
    assert not witness.exists()


SLOW_TO_SAVE = """
import os, pathlib, signal, subprocess, sys, time
job = pathlib.Path(os.environ["ATFT_JOB_DIR"])
def save(*_):
    print("saving", flush=True)
    time.sleep(3)
    print("saved", flush=True)
    (job / "saved").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
subprocess.Popen(["sleep", "600"], start_new_session=True)
while True:
    print(".", flush=True)
    time.sleep(0.2)
"""


def test_a_program_may_save_what_it_has_and_leaves_nobody_behind(tmp_path):
    script = tmp_path / "save.py"
    script.write_text(SLOW_TO_SAVE)
    run = begun(tmp_path, "well", **{"command.argv": json.dumps([sys.executable, str(script)])})
    state = wait_for(run, lambda s: s.trials and s.trials[0].phase == "train")
    worker = state.trials[0].pid
    daemons = [p.pid for p in psutil.Process(worker).children(recursive=True)]
    assert len(daemons) == 2
    atft("stop", run.path, "--now")
    _, status = wait_for_end(run)
    assert status.name == "STOPPED"
    assert (run.trial(0).path / "saved").exists()
    assert "saving\nsaved" in run.trial(0).log.read_text()
    assert not any(start_time(pid) for pid in daemons)


def test_what_a_killed_worker_had_started_does_not_stay(tmp_path):
    script = tmp_path / "train.sh"
    script.write_text(
        "#!/bin/bash\nsleep 600 &\nsetsid sleep 600 &\nwhile true; do echo .; sleep 0.2; done\n"
    )
    argv = json.dumps(["bash", str(script)])
    run = begun(tmp_path, "well", **{"command.argv": argv, "engine.max_retries": 0})
    state = wait_for(run, lambda s: s.trials and s.trials[0].phase == "train")
    worker = state.trials[0].pid
    left = [p.pid for p in psutil.Process(worker).children(recursive=True)]
    assert len(left) >= 3
    os.kill(worker, 9)
    wait_for_end(run)
    assert not any(start_time(pid) for pid in left)


def test_a_run_of_somebody_else_does_not_run_its_program_when_it_is_resumed(tmp_path, monkeypatch):
    run = begun(tmp_path, "well", epochs=20)
    wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert "which you have not started here" in refused("resume", run.path)
    assert "which you have not started here" in refused("worker", run.path, "--trial", 0)
    atft("plugins", "allow", run.config)
    (tmp_path / "train.py").write_text(SCRIPT + "# edited\n")
    assert "changed since this run started" in refused("resume", run.path)
    (tmp_path / "train.py").write_text(SCRIPT)
    atft("resume", run.path)
    assert load(run).end_state == "FINISHED"


@pytest.mark.parametrize("key", ["command.argv", "command.params.x"])
def test_params_that_somebody_else_has_written_run_nothing(tmp_path, key):
    run = begun(tmp_path, "well", epochs=20)
    wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    copy = RunDirectory(shutil.copytree(run.path, tmp_path / "copy"))
    witness = tmp_path / "witness"
    words = ["/bin/sh", "-c", f"touch {witness} #{{x}}{{epochs}}"]
    value = words if key == "command.argv" else f"1; touch {witness}"
    for each in (run, copy):
        each.trial(0).params.write_text(json.dumps({"trial": 0, "params": {key: value}}))
    atft("worker", copy.path, "--trial", 0, code=1)
    assert "would run another program" in copy.trial(0).exit.read_text()
    atft("resume", run.path)  # by the log, which a worker is told again
    assert load(run).end_state == "FINISHED"
    assert json.loads(run.trial(0).params.read_text())["params"] == load(run).trials[0].params
    assert not witness.exists()


def test_what_cannot_be_started_is_said_before_any_trial(tmp_path):
    run = begun(tmp_path, "well", **{"command.argv": '["no-such-program-of-mine"]'})
    state, _status = wait_for_end(run)
    assert "preflight: the program is there" in state.end_reason and not state.trials


def group_of(pid):
    """What of a process group is alive."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                if os.getpgid(int(path.name)) == pid:
                    found.append(path.name)
            except ProcessLookupError:
                continue
    deadline = time.monotonic() + 5
    while found and time.monotonic() < deadline:
        time.sleep(0.2)
        found = [name for name in found if Path("/proc", name).exists()]
    return found
