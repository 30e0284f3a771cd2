"""Trials on the nodes of a real Ray cluster: killed workers, keepers, nodes and engines."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import empty
import psutil
import pytest
from drill import ALL, kill, slowest, wait_for
from test_drill_faults import assert_whole

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.files import read_json
from atft_core.run.journal import read_events
from atft_core.run.status import load
from ray_nodes import RayCluster, a_cluster, unseeing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("ray")]
EPOCH_SECONDS = 0.7


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    yield from a_cluster(tmp_path_factory.mktemp("ray"), ATFT_EMPTY_EPOCH=EPOCH_SECONDS)


@pytest.fixture
def cluster(nodes):
    """Two nodes, each with room for two trials."""
    nodes.ensure(2)
    return nodes


def words(panel, home, cluster, *, trials=6, epochs=4, **values):
    values = {"engine.executor": "ray", "ray.address": cluster.address,
              "engine.prune_startup": trials, **values}  # fmt: skip
    return empty.spec(panel, home / "out", trials=trials, epochs=epochs, **values)


def begun(panel, home, cluster, **values):
    given = words(panel, home, cluster, **values)
    return RunDirectory(home / "out"), empty.begin(given, home / "engine.log", **cluster.access)


def all_at_work(run, count=4):
    """So many trials are at work, and each has been through an epoch."""
    return wait_for(run, lambda s: sum(t.running and bool(t.epochs) for t in s.trials.values())
                    >= count)  # fmt: skip


def pid_of(run, trial):
    """A worker's process: by its keeper's word, since the log names the node alone."""
    return read_json(run.trial(trial).placed)["pid"]


def computed(run):
    """How often each epoch was computed; one that is read from a checkpoint was not."""
    found = set()
    for directory in run.path.glob("trial_*"):
        number = int(directory.name.removeprefix("trial_"))
        for stamped in read_events(run.trial(number).events):
            event = stamped.event
            if isinstance(event, ev.Progress) and event.phase == "train":
                found.add((number, event.attempt, event.epoch))
    return Counter((number, epoch) for number, _, epoch in found)


def test_trials_go_to_all_nodes_and_as_many_at_once_as_there_is_room(panel, home, cluster):
    run, engine = begun(panel, home, cluster, trials=6)
    assert engine.wait(timeout=120) == 0
    state = load(run)
    assert len({trial.node for trial in state.trials.values()}) == 2
    assert {trial.pid for trial in state.trials.values()} == {0}, "it means nothing elsewhere"
    assert (len(state.nodes), state.slots) == (2, 4)
    assert set(computed(run).values()) == {1}
    assert_whole(run, trials=6, epochs=4)


def test_a_node_that_is_gone_costs_its_trials_one_epoch_at_most(panel, home, cluster):
    run, engine = begun(panel, home, cluster, trials=4, epochs=8)
    state = all_at_work(run)
    there = [t.number for t in state.trials.values() if t.node == load(run).trials[1].node]
    cluster.nodes[-1].kill()
    assert engine.wait(timeout=120) == 0
    state = load(run)
    lost = [t.number for t in state.trials.values() if t.attempt > 1]
    assert len(there) == len(lost) == 2
    for number in lost:
        assert state.trials[number].mishaps[0].startswith("LOST_NODE")
    assert max(computed(run).values()) <= 2
    assert_whole(run, trials=4, epochs=8)


@slowest
def test_the_loss_of_a_node_is_told_and_a_new_one_is_used(panel, home, cluster):
    run, engine = begun(panel, home, cluster, trials=12, epochs=6)
    all_at_work(run)
    cluster.nodes[-1].kill()
    wait_for(run, lambda s: any(alert.key == "node_lost" for alert in s.alerts))
    assert load(run).slots == 2
    cluster.add()
    wait_for(run, lambda s: s.slots == 4)
    assert engine.wait(timeout=240) == 0
    assert [node["alive"] for node in load(run).nodes].count(True) == 2
    assert_whole(run, trials=12, epochs=6)


@pytest.mark.parametrize("who", ["worker", "keeper"])
def test_a_killed_worker_goes_on_from_its_checkpoint(panel, home, cluster, who):
    run, engine = begun(panel, home, cluster, trials=4, epochs=6)
    all_at_work(run)
    pid = pid_of(run, 2)
    kill(psutil.Process(pid).ppid() if who == "keeper" else pid)
    assert engine.wait(timeout=120) == 0
    state = load(run)
    assert [trial.attempt for trial in state.trials.values()] == [1, 1, 2, 1]
    assert not psutil.pid_exists(pid), "a worker without its keeper does not go on"
    assert max(computed(run).values()) <= 2
    assert_whole(run, trials=4, epochs=6)


def test_a_killed_engine_is_followed_by_one_that_goes_on_from_the_checkpoints(panel, home, cluster):
    run, engine = begun(panel, home, cluster, trials=5, epochs=6)
    all_at_work(run)
    pids = [pid_of(run, trial) for trial in range(4)]
    engine.kill()
    engine.wait()
    again = empty.resume(run, home / "engine.log", **cluster.access)
    assert again.wait(timeout=180) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids), "Ray ends them with their engine"
    assert {trial.crashes for trial in load(run).trials.values()} == {0}, "it is none of their own"
    assert max(computed(run).values()) <= 2
    assert_whole(run, trials=5, epochs=6)


@pytest.mark.parametrize("now", [True, False] if ALL else [True])
def test_a_stop_reaches_the_nodes(panel, home, cluster, now):
    run, engine = begun(panel, home, cluster, trials=6, epochs=7)
    all_at_work(run)
    write_request(run, "stop", {"now": now}, user="u", host="h", t=time.time())
    engine.wait(timeout=60)
    state = load(run)
    assert state.end_state == "STOPPED"
    assert {trial.crashes for trial in state.trials.values()} == {0}
    left = [t.state for t in state.trials.values() if t.attempt]
    assert left == ["WAITING" if now else "COMPLETE"] * 4
    assert empty.resume(run, home / "engine.log", **cluster.access).wait(timeout=120) == 0
    assert_whole(run, trials=6, epochs=7)


def test_a_stop_takes_back_what_waits_for_room(panel, home, cluster):
    first, other = begun(panel, home, cluster, trials=4, epochs=60)
    all_at_work(first)
    (home / "second").mkdir()
    run, engine = begun(panel, home / "second", cluster, trials=3, epochs=3)
    wait_for(run, lambda s: len(s.trials) == 3)
    write_request(run, "stop", {"now": False}, user="u", host="h", t=time.time())
    engine.wait(timeout=60)
    state = load(run)
    assert state.end_state == "STOPPED"
    assert {trial.attempt for trial in state.trials.values()} == {0}, "none has begun"
    write_request(first, "stop", {"now": True}, user="u", host="h", t=time.time())
    other.wait(timeout=60)
    assert empty.resume(run, home / "engine.log", **cluster.access).wait(timeout=120) == 0
    assert_whole(run, trials=3, epochs=3)


def test_a_worker_that_is_stopped_on_its_node_is_ended_there(panel, home, cluster):
    run, engine = begun(panel, home, cluster, trials=4, epochs=8, **{"engine.hung_seconds": 4})
    all_at_work(run)
    pid = pid_of(run, 1)
    os.kill(pid, signal.SIGSTOP)
    assert engine.wait(timeout=120) == 0
    state = load(run)
    assert state.trials[1].mishaps[0].startswith("HUNG")
    assert [trial.attempt for trial in state.trials.values()] == [1, 2, 1, 1]
    assert_whole(run, trials=4, epochs=8)


def test_no_worker_is_told_the_token(panel, home, cluster):
    run, engine = begun(panel, home, cluster, trials=4, epochs=8)
    all_at_work(run)
    token = cluster.access["RAY_AUTH_TOKEN"].encode()
    for trial in range(4):
        assert token not in Path(f"/proc/{pid_of(run, trial)}/environ").read_bytes()
    assert engine.wait(timeout=120) == 0
    assert [p for p in run.path.rglob("*") if p.is_file() and token in p.read_bytes()] == []


def test_a_node_that_does_not_see_the_run_is_named_before_any_trial(panel, home, cluster):
    blind = cluster.add(before=unseeing(home))
    try:
        run, engine = begun(panel, home, cluster, trials=4)
        assert engine.wait(timeout=120) == 1
    finally:
        blind.kill()
    state = load(run)
    assert state.end_state == "FAILED" and not state.trials
    assert state.end_reason.startswith("cluster: node ")
    assert f"it does not see {run.path}" in state.end_reason


@slowest
def test_a_node_that_joins_and_does_not_see_the_run_is_left_out(panel, home, cluster):
    before = unseeing(home)
    run, engine = begun(panel, home, cluster, trials=12, epochs=14)
    all_at_work(run)
    blind = cluster.add(before=before)
    try:
        state = wait_for(run, lambda s: any(alert.key == "node_lost" for alert in s.alerts))
        assert [bool(node["why"]) for node in state.nodes].count(True) == 1
        assert (len(state.nodes), state.slots) == (3, 4)
        assert engine.wait(timeout=240) == 0
    finally:
        blind.kill()
    state = load(run)
    (alert,) = (alert for alert in state.alerts if alert.key == "node_lost")
    assert f"is not used: it does not see {run.path}" in alert.text
    assert {trial.crashes for trial in state.trials.values()} == {0}
    assert_whole(run, trials=12, epochs=14)


@pytest.mark.skipif(not ALL, reason="a minute; with DRILLS=all")
def test_a_node_that_cannot_write_fails_no_trial_and_is_used_once_it_can(panel, home, cluster):
    before = unseeing(home, f"mount --bind {home} {home} && mount -o remount,bind,ro {home}")
    run, engine = begun(panel, home, cluster, trials=30, epochs=14, **{"engine.max_retries": 0})
    all_at_work(run)
    poor = cluster.add(before=before)
    try:
        state = wait_for(run, lambda s: any(alert.key == "node_lost" for alert in s.alerts))
        (why,) = (node["why"] for node in state.nodes if node["why"])
        assert why == f"it cannot write to {run.path}: Read-only file system"
        again = ("mount", "-o", "remount,bind,rw", str(home))
        subprocess.run(["nsenter", "-t", str(poor.process.pid), "-m", *again], check=True)
        wait_for(run, lambda s: s.slots == 6)
        assert engine.wait(timeout=240) == 0
    finally:
        poor.kill()
    assert {trial.state for trial in load(run).trials.values()} == {"COMPLETE"}
    assert_whole(run, trials=30, epochs=14)


@slowest
def test_a_node_whose_card_is_lost_is_left_out(panel, home, cluster):
    next(node for node in reversed(cluster.nodes) if node.alive).kill()
    ill = cluster.add(ATFT_EMPTY_LOST="1")
    try:
        run, engine = begun(panel, home, cluster, trials=6)
        assert engine.wait(timeout=240) == 0
    finally:
        ill.kill()
    state = load(run)
    (alert,) = (alert for alert in state.alerts if alert.key == "gpu_lost")
    assert "is not used: LOST_GPU: CUDA error: unspecified launch failure" in alert.text
    assert state.slots == 2
    assert not any(trial.crashes for trial in state.trials.values())
    assert max(trial.attempt for trial in state.trials.values()) == 2, "once, then elsewhere"
    assert_whole(run, trials=6, epochs=4)


def test_a_node_with_another_version_is_named_before_any_trial(panel, home, cluster, tmp_path):
    source = Path(ev.__file__).parents[2]
    shutil.copytree(source, tmp_path / "other", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / "atft_core" / "errors.py").open("a") as edited:
        edited.write("# edited\n")
    other = cluster.add(PYTHONPATH=str(tmp_path / "other"))
    try:
        run, engine = begun(panel, home, cluster, trials=4)
        assert engine.wait(timeout=120) == 1
    finally:
        other.kill()
    assert "of atft, this engine is " in load(run).end_reason


def test_trials_that_no_node_has_room_for_are_refused(panel, home, cluster):
    given = words(panel, home, cluster, trials=4, **{"ray.cpus": 8})
    code, answer = empty.engine("start", given=given, **cluster.access)
    assert code == 1, answer
    said = "no node of the cluster has room for a trial (8 CPU; the largest node has 2 CPU)."
    assert said in answer["error"]
    assert not (home / "out").exists(), "the way on is another start"


def test_a_cluster_without_a_token_is_refused_and_so_is_one_that_is_not_there(
    panel, home, tmp_path
):
    pytest.importorskip("ray", reason="pip install 'atft[ray]'")
    open_one = RayCluster(tmp_path, token=False)
    try:
        code, answer = empty.engine("start", given=words(panel, home, open_one), **open_one.access)
    finally:
        open_one.kill()
    assert code == 1, answer
    assert "lets everybody in who reaches its port" in answer["error"]
    code, answer = empty.engine("start", given=words(panel, home, open_one), **open_one.access)
    assert code == 1
    assert "cannot be entered" in answer["error"]
    assert not (home / "out").exists()


def test_the_command_line_says_who_is_in_the_cluster(cluster):
    command = Path(sys.executable).with_name("atft"), "cluster", "status"
    give_up = time.monotonic() + 60
    while True:  # Ray tells of nodes that have just come some seconds later
        done = subprocess.run(
            [*command, "--address", cluster.address], capture_output=True, text=True, check=False,
            env={**os.environ, **cluster.access},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        shown = f"$ RAY_AUTH_MODE=token ray status --address {cluster.address}\n"
        assert done.stdout.startswith(shown)
        if "4.0 CPU" in done.stdout:
            return
        assert time.monotonic() < give_up, done.stdout
        time.sleep(1)
