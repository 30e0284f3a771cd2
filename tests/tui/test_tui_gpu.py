"""The GPU pane: several cards, what ails them, who is on them, the epoch's percentiles, no card."""

import copy
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import tui_run
from tui_console import SMALL, WIDE, console

from atft_core.gpu import Nvml
from atft_core.run import events as ev
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.status import load, read_status
from atft_tui.format import clock
from atft_tui.gpu_now import GpuNow, GpuUser, Sample
from atft_tui.machine.gpu_feed import GpuFeed
from atft_tui.machine.owners import Owners
from atft_tui.machine_now import Machine, Process
from atft_tui.panes.gpu import Piece, compact, fit, full
from atft_tui.view import View

NOW = 1_700_000_000.0


def gpu(index=0, **values):
    known = {"name": "NVIDIA H100", "sm": 94.0, "mem_used": 31 * 2**30, "mem_total": 80 * 2**30,
             "power": 612.0, "temperature": 58.0, "power_limit": 700.0, "sm_clock": 1980.0,
             "mem_util": 40.0, "pcie_rx": 3 * 2**20, "pcie_tx": 2**19,
             "history": tuple(Sample(NOW + i, 50.0 + i, "train") for i in range(40))}  # fmt: skip
    return GpuNow(index, **{**known, **values})


def machine(*gpus, **values):
    return replace(Machine(gpus=gpus, of_run=True, cores=8, mem_total=2**37), **values)


def text(machine, view, width=100, height=20):
    return "\n".join(content.plain for content in full(machine, view, width, height))


@pytest.fixture
def view(book, live):
    return View(time.time(), book, run=live, state=load(live), status=read_status(live)[1])


def test_a_card_is_shown_with_its_limits_its_clock_and_its_bus(view):
    said = text(machine(gpu()), view)
    assert "0 H100" in said and " 94 %" in said and "31.0/80.0 GiB" in said
    assert "612/700 W  58 C  1980 MHz  memory busy 40 %  bus in 3.0 MiB out 512.0 KiB" in said


def test_what_ails_a_card_stands_out_and_is_the_last_to_go(view):
    ill = gpu(throttle=("power cap", "heat (hardware)"), ecc=3, xid=79)
    for height in (20, 5):
        said = text(machine(ill), view, height=height)
        assert "throttled: power cap, heat (hardware)" in said
        assert "Xid 79" in said and "3 memory errors" in said
    assert "Xid 79" in compact(machine(ill), 200, wanted=True).plain
    assert "Xid" not in text(machine(gpu(ecc=0)), view)


def test_whoever_is_not_of_this_run_is_named(view):
    users = (GpuUser(4121, 30 * 2**30, "trial 3", ours=True),
             GpuUser(777, None, "someone else (root): python", ours=False))  # fmt: skip
    said = text(machine(gpu(users=users)), view)
    assert "pid 4121 trial 3  30.0 GiB" in said
    assert "pid 777 someone else (root): python" in said
    many = tuple(GpuUser(n, 1, "you: python", ours=False) for n in range(9))
    assert "and 5 more" in text(machine(gpu(users=many)), view, height=30)


def test_two_minutes_carry_the_stages_below_them(view):
    stages = ["train"] * 30 + ["validate"] * 10 + ["checkpoint"] * 2
    history = tuple(Sample(NOW + i, 90.0, stage) for i, stage in enumerate(stages))
    said = text(machine(gpu(history=history)), view)
    assert "t" * 30 + "v" * 10 + "cc" in said
    assert "t train, v validate, c checkpoint" in said


def test_the_running_epoch_has_percentiles_of_its_train_seconds(view):
    began = view.state.current.epochs[-1].t
    history = [Sample(began - 5, 0.0, "train"), Sample(began + 50, 3.0, "validate")]
    history += [Sample(began + i, float(i), "train") for i in range(1, 12)]
    said = text(machine(gpu(history=tuple(history))), view)
    assert "GPU 0 this epoch: p10 2  p50 6  p90 10 %, 11 s" in said
    assert "this epoch" not in text(machine(gpu(history=tuple(history)), of_run=False), view)


def test_eight_cards_fit_where_there_is_little_room(view):
    lines = full(machine(*(gpu(i, users=()) for i in range(8))), view, 56, 9)
    assert [line.plain.split()[0] for line in lines[:8]] == [str(i) for i in range(8)]
    assert all(line.cell_length <= 56 for line in lines)


def test_the_pieces_that_are_missed_most_stay_in_their_order():
    pieces = [Piece(rank, [str(rank)] * count) for rank, count in ((2, 1), (0, 1), (1, 3), (3, 1))]
    assert fit(pieces, 10) == ["2", "0", "1", "1", "1", "3"]
    assert fit(pieces, 3) == ["2", "0", "3"]
    assert fit(pieces, 1) == ["0"]


def test_without_a_card_the_processes_of_the_run_stand_there_as_a_tree(view):
    found = (Process(10, "engine", 1.0, 2**27, 5, None, None, 0),
             Process(11, "trial 3", 199.0, 2**31, 9, 3 * 2**20, 0.0, 1),
             Process(12, "producer", 20.0, 2**26, 1, 2**20, None, 2))  # fmt: skip
    said = text(machine(processes=found, of_run=False, reason="no driver"), view)
    assert "no driver" in said
    engine, trial, producer = said.splitlines()[-3:]
    assert engine.startswith(" engine") and trial.startswith("  trial 3")
    assert producer.startswith("   producer")
    assert "3.0 MiB" in trial and trial.rstrip().endswith("0 B")


@pytest.mark.parametrize("height", range(1, 8))
def test_processes_are_named_in_the_narrowest_pane(view, height):
    found = tuple(Process(i, f"trial {i}", 99.0, 2**30, 9, None, None, 1) for i in range(4))
    shown = machine(processes=found, of_run=False, reason="no driver")
    for width in range(20, 50):
        assert full(shown, view, width, height)


# Whose process it is.


def test_owners_tell_this_run_another_run_you_and_a_process_that_is_gone(tmp_path):
    owners = Owners()
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    own = subprocess.Popen(sleeper)
    other = subprocess.Popen([*sleeper, "-m", "atft_core.train", str(tmp_path / "hpo_night")])
    try:
        until(lambda: psutil.Process(other.pid).cmdline()[-2:-1] == ["atft_core.train"])
        assert owners.user(own.pid, 5, {own.pid: "trial 3"}) == GpuUser(own.pid, 5, "trial 3", True)
        assert owners.user(own.pid, 5, {}).who.startswith("you: python")
        assert owners.user(other.pid, None, {}).who == "another run: hpo_night"
    finally:
        for process in (own, other):
            process.kill()
            process.wait()
    assert "not visible" in owners.user(own.pid, None, {}).who


@pytest.mark.skipif(os.getuid() != 0, reason="needs a process of another user")
def test_owners_name_another_user():
    process = subprocess.Popen(["sleep", "60"], user=65534)
    try:
        until(lambda: psutil.Process(process.pid).uids().real == 65534)
        user = Owners().user(process.pid, None, {})
        assert user.who.startswith("someone else (nobody)") and not user.ours
    finally:
        process.kill()
        process.wait()


def until(condition):
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


# The feed.


def sample(t, index=0, **values):
    return json.dumps({"t": t, "gpu": index, "name": "Stub", "sm": 10, "p50": 90.0, "n": 12,
                       "stage": "train", **values}) + "\n"  # fmt: skip


def looked(feed, view):
    nvml = Nvml()
    found = feed.look(nvml, view, {4121: "trial 3"})
    nvml.close()
    return found


def test_the_feed_follows_the_runs_recording_and_survives_damage_in_it(view):
    feed, now = GpuFeed(), time.time()
    view.run.gpu.write_text(
        sample(now - 1)
        + "{torn\n[1]\n"
        + '{"t": 1, "gpu": Infinity}\n'
        + sample(now, throttle=["power cap"])
    )
    (found,), of_run = looked(feed, view)
    assert of_run and found.sm == 90.0 and len(found.history) == 2
    assert found.throttle == ("power cap",)
    with view.run.gpu.open("a") as file:
        file.write(sample(now, p50=70.0, processes=[{"pid": 4121, "mem": 5}, {"pid": "x"}, 3]))
        file.write(sample(now, 1, ecc=2, xid=79))
    (first, second), _ = looked(feed, view)
    assert (first.sm, len(first.history)) == (70.0, 3)
    assert first.users == (GpuUser(4121, 5, "trial 3", ours=True),)
    assert (second.ecc, second.xid) == (2, 79)


def test_a_card_whose_samples_stopped_is_lost_since_the_last_of_them(view):
    silent = time.time() - 60
    view.run.gpu.write_text(sample(silent) + sample(time.time() + 9, 1))
    (lost, seen), of_run = looked(GpuFeed(), view)
    assert of_run
    assert (lost.lost, lost.sm, seen.lost) == (silent, 90.0, None)
    said = text(machine(lost, seen), view)
    assert said.count("lost since") == 1 and f"lost since {clock(silent)}" in said
    view.run.gpu.write_text(sample(silent))
    (lost,), of_run = looked(GpuFeed(), view)
    assert of_run and lost.lost == silent


def test_a_recording_of_a_day_is_read_from_its_end(view):
    old = sample(1.0) * 40_000
    view.run.gpu.write_text(old + sample(time.time(), p50=55.0))
    (found,), _ = looked(GpuFeed(), view)
    assert found.sm == 55.0 and len(found.history) <= 3600


def test_on_a_cluster_the_cards_are_those_of_its_nodes(view):
    state, now = view.state, time.time()
    state.nodes = [{"name": "gpu1", "gpus": 8, "cpus": 64, "alive": True},
                   {"name": "gpu2", "gpus": 8, "cpus": 64, "alive": False}]  # fmt: skip
    state.slots, trial = 8, state.at_work[0]
    trial.node = "gpu1"
    view.run.trial(trial.number).gpu.write_text(sample(now - 1, 3) + sample(now, 3))
    view.run.gpu.write_text(sample(now, 0))
    (own, there), of_run = looked(GpuFeed(), view)
    assert of_run and (own.node, there.node, there.index) == ("", "gpu1", 3)
    assert len(there.history) == 2, "each card has its own past"
    said = text(machine(own, there), view)
    assert " gpu1:3 Stub" in said
    assert "cluster 1 node  1 gone  1 of 8 slots at work" in said
    assert f"gpu1             8 GPU  64 CPU    trials {trial.number}" in said
    assert "gpu2" not in said


def test_a_card_that_two_trials_share_has_one_past_and_goes_with_them(view):
    state, now = view.state, time.time()
    feed, (first, *_) = GpuFeed(), state.at_work
    second = copy.copy(first)
    second.number = 77
    state.trials[77] = second
    first.node = second.node = "gpu1"
    view.run.trial(77).path.mkdir()
    pids = {"processes": [{"pid": 11, "mem": 1}, {"pid": os.getpid(), "mem": 1}]}
    for trial in (first, second):
        said = sample(now - 1, 3, **pids) + sample(now, 3, **pids)
        view.run.trial(trial.number).gpu.write_text(said)
    write_json(view.run.trial(first.number).placed, {"attempt": 1, "node": "a", "pid": 11})
    (there,), _ = looked(feed, view)
    assert len(there.history) == 2
    assert [(user.who, user.ours) for user in there.users] == [
        ("the trial's worker", True), ("another process", False),
    ], "a number of that machine is nobody here"  # fmt: skip
    view.run.trial(first.number).gpu.write_text(sample(now - 60, 3))
    view.run.trial(second.number).gpu.unlink()
    (silent,), _ = looked(GpuFeed(), view)
    assert silent.lost == now - 60, "its trial is at work"
    feed = GpuFeed()
    looked(feed, view)
    first.state = "COMPLETE"
    del state.trials[77]
    view.run.gpu.write_text(sample(now, 0))
    (own,), _ = looked(feed, view)
    assert own.node == "", "a card that no trial uses is not lost"


async def test_the_end_of_the_recording_is_shown_for_a_run_that_has_ended(book, finished):
    finished.gpu.write_text("".join(sample(NOW + i, p50=60.0 + i) for i in range(30)))
    async with console(book, finished.path, size=WIDE) as shown:
        await shown.until(lambda: shown.said("gpu").startswith("1 GPU\nrecorded"))
        assert "89 %" in shown.said("gpu")
        assert "trial 0 epoch 2: p10 91  p50 94  p90 97 %" in shown.said("gpu")
        assert "cpu" not in shown.said("gpu"), "this machine as it is now"


async def test_a_live_card_fits_into_one_line_of_a_small_terminal(book, live):
    tui_run.log(live, "Epoch 8")
    live.gpu.write_text(sample(time.time() + 3, mem_used=2**30, mem_total=2**33, power=250.0))
    async with console(book, live.path, size=SMALL) as shown:
        await shown.shows("GPU 0  90 %")
        assert "1.0/8.0 GiB" in shown.text


async def test_a_run_of_another_host_is_followed_by_its_samples(book, finished):
    with Journal(finished.events) as journal:
        journal.append(ev.EngineStarted(pid=1, host="elsewhere"))
    finished.lock.write_text('{"host": "elsewhere"}')
    finished.gpu.write_text(sample(time.time() + 9, p50=55.0))
    async with console(book, finished.path, size=WIDE) as shown:
        assert shown.app.view.status.name == "UNKNOWN"
        await shown.until(lambda: " 55 %" in shown.said("gpu"))
        with finished.gpu.open("a") as file:
            file.write(sample(time.time() + 9, p50=66.0))
        await shown.until(lambda: " 66 %" in shown.said("gpu"))
        assert "not evidence" not in shown.said("gpu")
