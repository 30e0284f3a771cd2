"""Files of a run that are edited, cut off, lost or in the way: said, survived, never believed."""

import errno
import json
import os
import shutil
import signal
import subprocess

import pytest
import torch
from drill import (
    assert_log_equals_study,
    atft,
    kill,
    refused,
    slowest,
    start,
    wait_for,
    wait_for_end,
)

from atft_core.engine.reserve import RESERVE_BYTES
from atft_core.run.status import read_status
from atft_core.run.verdict.diagnose import verdict_line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def stopped(panel, home, *extra, trials=1, epochs=30, at_epoch=2):
    """A run that was stopped on request within its first trial."""
    run = start(panel, home / "out", *extra, trials=trials, epochs=epochs)
    wait_for(run, lambda state: state.trials and len(state.trials[0].epochs) >= at_epoch)
    atft("stop", run.path, "--now")
    assert wait_for_end(run)[1].name == "STOPPED"
    return run


def finishes(run):
    """Resumed, the run reaches its end."""
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert [row.epoch for row in state.trials[0].epochs] == list(range(1, state.max_epochs + 1))
    assert_log_equals_study(run)
    return state


def test_what_would_make_another_experiment_of_it_is_refused_until_put_back(panel, home):
    run = stopped(panel, home, epochs=40)
    config, events, study = (p.read_bytes() for p in (run.config, run.events, run.study))
    for edited in (
        config.replace(b"sharpe = 0.1 ", b"sharpe = 0.9 "),
        config.replace(b"max_epochs = 40 ", b"max_epochs = 41 "),
    ):
        assert edited != config
        run.config.write_bytes(edited)
        assert "not the configuration that this run started with" in refused("resume", run.path)
    run.config.write_bytes(config + b"\n[model.unknown]\nkey = 1\n")
    assert "unknown key" in refused("resume", run.path, code=2)
    run.config.write_bytes(config)
    run.events.unlink()
    assert "does not say how this run began" in refused("resume", run.path)
    run.events.write_bytes(events)
    run.study.unlink()
    assert "study.db is missing or empty" in refused("resume", run.path)
    run.study.write_bytes(study)
    finishes(run)


@slowest
def test_what_can_be_made_again_is_made_again(panel, home):
    cache = home / "cache"
    run = stopped(panel, home, "--set", f"data.cache_dir={cache}")
    (old,) = cache.iterdir()
    old.unlink()
    run.baselines().write_bytes(run.baselines().read_bytes()[:100])
    run.snapshot.write_text('{"offset": 7, "state": []}')
    newest = max(run.trial(0).checkpoints.iterdir())
    manifest = json.loads((newest / "manifest.json").read_text())
    (newest / "manifest.json").write_text(json.dumps({**manifest, "epoch": "two", "sha256": 3}))
    run.trial(0).exit.write_text("[1]")
    state = finishes(run)
    assert (
        state.trials[0].epochs[0].val["1"]["baseline"]
        == (state.trials[0].epochs[-1].val["1"]["baseline"])
    )
    assert [path.name for path in cache.iterdir()] == [old.name]


@slowest
def test_a_cache_that_moved_is_found_again(panel, home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "before"))
    run = stopped(panel, home)
    shutil.rmtree(home / "before")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "after"))
    finishes(run)
    assert run.facts()["cache"].startswith(str(home / "after"))


@slowest
def test_a_file_in_the_way_of_a_trial_stops_the_run_and_not_the_trial(panel, home):
    run = stopped(panel, home, "--set", "engine.max_retries=0")
    checkpoints = run.trial(0).checkpoints
    checkpoints.rename(home / "aside")
    checkpoints.write_text("a file where a directory belongs")
    atft("resume", run.path, code=1)
    state, status = wait_for_end(run)
    assert status.name == "STOPPED"
    assert status.reason.startswith("trial 0 cannot go on: ")
    assert str(checkpoints) in status.reason
    assert (state.trials[0].state, state.trials[0].crashes) == ("WAITING", 0)
    checkpoints.unlink()
    (home / "aside").rename(checkpoints)
    finishes(run)


def test_a_value_that_the_epochs_do_not_bear_out_is_not_believed(panel, home):
    run = stopped(panel, home)
    attempt = json.loads(run.trial(0).exit.read_text())["attempt"]
    forged = {"attempt": attempt, "state": "complete", "reason": "", "value": 7.77, "epoch": 30}
    run.trial(0).exit.write_text(json.dumps(forged))
    state = finishes(run)
    assert abs(state.trials[0].value) < 1


def test_a_configuration_that_is_edited_during_the_run_stops_it(panel, home):
    run = start(panel, home / "out", "--set", "engine.max_retries=0", trials=2, epochs=25)
    wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    config = run.config.read_text()
    run.config.write_text(config.replace("sharpe = 0.1 ", "sharpe = 0.9 "))
    state, status = wait_for_end(run)
    assert status.name == "STOPPED"
    assert "trial 1 cannot go on" in status.reason
    assert "is not what this run started with" in status.reason
    assert [t.state for t in state.trials.values()] == ["COMPLETE", "WAITING"]
    run.config.write_text(config)
    finishes(run)


def test_a_worker_that_lost_its_engine_is_not_given_a_rival(panel, home):
    run = start(panel, home / "out", trials=1, epochs=300)
    state = wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    kill(state.engine_pid)
    worker = state.trials[0].pid
    said = refused("hpo", "--data-path", panel, "--output-dir", run.path, "--study-name", "s")
    assert f"A worker of {run.path} is still at work (pid {worker})" in said
    assert f"atft resume {run.path}" in said
    atft("resume", run.path, "--detach")
    wait_for(run, lambda s: s.engines == 2 and s.trials[0].pid == worker)
    atft("stop", run.path, "--now")
    assert wait_for_end(run)[1].reason == "stopped on request"


@slowest
def test_an_engine_whose_lock_file_was_removed_is_still_seen_and_stopped(panel, home):
    run = start(panel, home / "out", trials=1, epochs=2000)
    state = wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    run.lock.unlink()
    assert json.loads(atft("status", run.path, "--json"))["state"] == "RUNNING"
    assert f"running engine (pid {state.engine_pid})" in refused("resume", run.path)
    assert "stops now" in atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    assert (status.name, state.engines) == ("STOPPED", 1)


@slowest
def test_a_stop_that_is_not_answered_is_no_success_and_obeyed_later(panel, home):
    run = start(panel, home / "out", trials=1, epochs=2000)
    state = wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    os.kill(state.engine_pid, signal.SIGSTOP)
    try:
        assert "has not answered" in refused("stop", run.path, "--now")
    finally:
        os.kill(state.engine_pid, signal.SIGCONT)
    assert wait_for_end(run)[1].reason == "stopped on request"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_preflight_that_cannot_begin_says_why(panel, home):
    run = start(panel, home / "out", "--set", "train.device=cuda")
    state, status = wait_for_end(run)
    assert (status.name, state.trials) == ("FAILED", {})
    assert status.reason.startswith("preflight: train.device = cuda, but torch finds no CUDA")


@pytest.fixture
def small_disk(home):
    """A disk of 110 MiB."""
    place = home / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=110m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk):
    """At once. Whoever writes on until nothing is left takes what the engine lets go of, too."""
    with (disk / "full").open("wb") as file:
        while free := shutil.disk_usage(disk).free:
            try:
                os.posix_fallocate(file.fileno(), 0, free)
            except OSError as error:  # the engine has written meanwhile
                assert error.errno == errno.ENOSPC
            else:
                return


@pytest.mark.parametrize("when", ["preflight", "training"])
def test_a_disk_that_fills_at_once_pauses_the_run_until_there_is_room(panel, small_disk, when):
    run = start(panel, small_disk / "out", trials=1, epochs=200)
    if when == "preflight":
        wait_for(run, lambda s: s.engines)
        assert (run.path / ".reserve").stat().st_size == RESERVE_BYTES
    else:
        wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    fill(small_disk)
    state = wait_for(run, lambda s: s.waits_since)
    status = read_status(run)[1]
    assert status.name == "PAUSED"
    assert status.reason.startswith(f"the disk of {run.path} is full; it goes on by itself")
    assert verdict_line(state, status).word == "PAUSED"
    assert all(trial.crashes == 0 for trial in state.trials.values())
    done = len(state.trials[0].epochs) if state.trials else 0
    (small_disk / "full").unlink()
    state = wait_for(run, lambda s: s.trials and len(s.trials[0].epochs) >= done + 3)
    assert (state.engines, state.waits_since) == (1, 0)
    assert state.paused > 0
    assert [alert.ended for alert in state.alerts if alert.key == "paused"][-1]
    atft("stop", run.path, "--now")
    assert wait_for_end(run)[1].reason == "stopped on request"
    assert_log_equals_study(run)


@slowest
def test_a_run_that_waits_for_room_can_be_stopped(panel, small_disk):
    run = start(panel, small_disk / "out", trials=1, epochs=200)
    wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    fill(small_disk)
    wait_for(run, lambda s: s.waits_since)
    atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    # Where not even a request found room, `atft stop` sent a signal.
    reasons = ("stopped on request", "the engine was asked to end by a signal")
    assert status.name == "STOPPED" and status.reason in reasons
    assert "a run needs at least" in refused("resume", run.path)
    (small_disk / "full").unlink()
    atft("resume", run.path, "--detach")
    wait_for(run, lambda s: s.trials and len(s.trials[0].epochs) >= len(state.trials[0].epochs) + 2)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    assert_log_equals_study(run)
