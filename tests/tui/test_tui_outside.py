"""Around the panes: last words, memory of what was seen, commands, plans, the machine."""

import asyncio
import json
import os
import shutil
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import tui_run

from atft_core.bench.runs import long_run
from atft_core.errors import UsageError
from atft_core.run import snapshot
from atft_core.run.directory import RunDirectory
from atft_core.run.lock import EngineLock
from atft_core.run.runbook import load as load_book
from atft_core.run.shipped import shipped
from atft_core.run.status import Status, evidence, load, read_status
from atft_tui import commands, followed, seen
from atft_tui.bindings import footer, refuse_taken_hotkeys, stage_keys
from atft_tui.farewell import farewell
from atft_tui.follow import Follower
from atft_tui.followed import MANY
from atft_tui.machine.look import MachineLook
from atft_tui.panes.gpu import spark
from atft_tui.plan import command_rows, plan_rows
from atft_tui.view import View, seconds_left


def view_of(book, run, status="RUNNING"):
    return View(time.time(), book, run=run, state=load(run), status=Status(status))


# The last words.


def test_leaving_a_live_run_says_where_it_is_and_how_to_come_back(book, live):
    said = farewell(view_of(book, live))
    assert said[0] == "The run goes on: output/short (RUNNING, trial 3 epoch 8)"
    *_, command, run = said[1].split()
    assert (Path(command).name, run) == ("atft-tui", "output/short")
    assert shutil.which(command), "it works as it stands, on the PATH or not"
    assert said[2].split()[2:] == ["status", "output/short"]
    assert shutil.which(said[2].split()[1])


def test_leaving_between_two_trials_names_no_trial(book, live):
    tui_run.end_trial(live, 3, "COMPLETE", 0.052)
    assert farewell(view_of(book, live))[0] == "The run goes on: output/short (RUNNING)"


def test_leaving_a_finished_run_does_not_say_that_it_goes_on(book, finished):
    said = farewell(view_of(book, finished, "FINISHED"))
    assert said[0] == "The run output/dry is FINISHED."
    assert "goes on" not in "\n".join(said)


def test_leaving_without_a_run_says_so(book):
    for view in (None, View(0.0, book)):
        assert farewell(view) == [
            "No run was shown. `atft-tui` comes back, `atft status` lists runs."
        ]


def test_a_directory_with_a_space_can_be_copied_from_the_last_words(book, finished, home):
    moved = home / "my runs"
    finished.path.rename(moved)
    said = farewell(view_of(book, RunDirectory(moved), "FINISHED"))
    assert said[1].endswith("atft-tui 'my runs'")


# What was seen.


def test_only_so_many_runs_are_remembered(book, home):
    for number in range(55):
        seen.remember(View(0.0, book, run=RunDirectory(home / f"run{number}")))
    known = json.loads(seen.store().read_text())
    assert len(known) == 50
    assert str(home / "run54") in known
    assert str(home / "run0") not in known


def test_a_home_that_is_a_file_is_no_error(book, finished, home):
    (home / "state").write_text("")
    seen.remember(View(0.0, book, run=finished, state=load(finished)))
    assert seen.left(finished) is None


# Commands.


@pytest.mark.slow
async def test_a_command_answers_with_its_json():
    outcome = await commands.run("status", "--json")
    assert outcome.ok
    assert outcome.seconds > 0
    assert outcome.json() == {"runs": []}


@pytest.mark.slow
async def test_a_command_that_fails_says_why_in_a_few_clean_lines():
    outcome = await commands.run("stop", "no\x1b[31msuch")
    assert not outcome.ok
    assert 1 <= len(outcome.complaint) <= 6
    assert "\x1b" not in "".join(outcome.complaint)
    assert "Traceback" not in "".join(outcome.complaint)
    assert outcome.json() == {}


@pytest.mark.slow
async def test_a_look_that_nobody_waits_for_is_ended(monkeypatch):
    waits = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(commands.launch, "cli", lambda *args: waits)

    def children():
        found = psutil.Process().children()  # some that others left are only names any more
        return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]

    task = asyncio.create_task(commands.run(looks=True))
    async with asyncio.timeout(60):
        while not any(child.cmdline() == waits for child in children()):
            await asyncio.sleep(0.05)
    (child,) = [child for child in children() if child.cmdline() == waits]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    child.wait(10)


def test_a_complaint_is_never_empty():
    quiet = commands.Outcome(3, "not json", "  \n", 0.1)
    assert quiet.complaint == ["it ended with exit code 3 and said nothing"]
    assert quiet.json() == {}
    assert commands.Outcome(0, "[1]", "", 0.1).json() == {}
    loud = commands.Outcome(1, "", "\n".join(map(str, range(100))), 0.1)
    assert loud.complaint == ["94", "95", "96", "97", "98", "99"]


# The plan.


PLAN = {
    "data": {"path": "p.parquet", "hash": "abc", "rows": 1_000_000, "stocks": 50, "days": 500,
             "first": "2013-01-02", "last": "2017-12-29"},
    "split": {"train": ["2013-01-02", "2015-12-31"], "train_days": 755, "purge_days": 20},
    "trials": 20, "epochs": 1, "eta_seconds": 4320.0, "disk_need": 1536, "disk_free": 2**40,
    "gate": {"open": False, "reason": "no run counts"},
    "settings": {"model.hidden": [64, "default"], "train.learning_rate": [1e-3, "--set"]},
    "warnings": ["stock A has gaps"], "stopped_run": None,
}  # fmt: skip


def text_of(plan, width=100, **options):
    return "\n".join(row.plain for row in plan_rows(plan, width, **{"resume": False} | options))


def test_a_plan_says_what_is_asked_before_a_night_of_compute():
    said = text_of(PLAN)
    assert "p.parquet  1,000,000 rows  50 stocks x 500 days  2013-01-02 .. 2017-12-29" in said
    assert "2013-01-02 .. 2015-12-31    755 days   purged between: 20 days" in said
    assert "20 trials x 1 epoch, about 1h12, disk 1.5 KiB of 1.0 TiB free" in said
    assert "-- locked: no run counts" in said
    assert "train.learning_rate  0.001  (--set)" in said
    assert "(default)" not in said
    assert "warning  stock A has gaps" in said


def test_a_plan_of_a_stopped_run_offers_both_ways():
    plan = PLAN | {"stopped_run": "output/dry", "output_dir": "output/dry.2"}
    assert "resume output/dry (n: a new run instead)" in text_of(plan, resume=True)
    assert "a new run in output/dry.2 (n: resume output/dry instead)" in text_of(plan)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("plan", [{}, PLAN, PLAN | {"eta_seconds": None, "settings": {"a": 1}}])
def test_a_plan_can_always_be_drawn(plan, width):
    assert text_of(plan, width)


def test_a_plan_with_hostile_texts_is_cleaned():
    bad = "\x1b[31mx\x00"
    plan = {"data": {"path": bad, "hash": bad}, "gate": {"open": False, "reason": bad},
            "settings": {bad: [bad, bad]}, "warnings": [bad], "stopped_run": bad,
            "split": {"train": [bad, bad], "train_days": bad}}  # fmt: skip
    assert all(row.plain.isprintable() for row in plan_rows(plan, 80, resume=True))
    assert all(row.plain.isprintable() for row in command_rows(bad, 80))


def test_a_long_command_is_wrapped_and_not_cut():
    words = ["atft", "run", "dry", *(f"--set key{i}=value{i}" for i in range(30))]
    rows = [row.plain for row in command_rows(" ".join(words), 60)]
    assert " ".join(" ".join(rows).replace("$", "").split()) == " ".join(words)
    assert max(map(len, rows)) <= 60


# Following, and the machine.


def test_the_time_left_shrinks_as_the_run_goes_on(live):
    state = load(live)
    now = state.t
    left = seconds_left(state, now)
    assert left == pytest.approx((2 * 10 - 7) * 14.2, abs=1)
    assert seconds_left(state, now + 10) == pytest.approx(left - 10, abs=1)
    assert seconds_left(state, now + 1e6) >= 0


def test_a_follower_posts_only_what_changed(book, live):
    views = []
    follower = Follower(book, None, views.append)
    follower.look()
    assert views[-1].live
    before = len(views)
    tui_run.end_trial(live, 3, "COMPLETE", 0.052)
    follower.look()
    assert len(views) == before + 1
    assert views[-1].state.trials[3].value == 0.052
    assert views[-2].state.trials[3].value is None, "a view is never changed"


def test_a_finished_run_is_not_drawn_again_and_again(book, finished):
    views = []
    follower = Follower(book, None, views.append)
    for _ in range(10):
        follower.look()
    assert len(views) == 1


@pytest.mark.parametrize("looks", range(4, 9))
def test_a_run_that_ends_between_two_looks_is_shown_as_ended_everywhere(book, looks):
    run = tui_run.sweep(book)
    lock = EngineLock(run.lock)
    views = []
    follower = Follower(book, None, views.append)
    for _ in range(looks):
        follower.look()
    assert views[-1].stages[1].word == "RUNNING"
    tui_run.end_trial(run, 3, "COMPLETE", 0.052)
    tui_run.end_run(run, "STOPPED")
    lock.release()
    for _ in range(8):
        follower.look()
    assert views[-1].status.name == "STOPPED"
    assert views[-1].stages[1].long == "stopped after 4 of 5 trials"
    assert "DIED" not in [view.status.name for view in views]


def test_the_machine_shows_the_processes_of_a_live_run(book, live):
    state = load(live)
    state.engine_pid, state.host = os.getpid(), ""
    look = MachineLook()
    machine = look.look(View(time.time(), book, run=live, state=state, status=read_status(live)[1]))
    look.close()
    assert ("engine", os.getpid()) in [(p.role, p.pid) for p in machine.processes]
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.mem_total > machine.mem_used > 0
    assert bool(machine.gpus) or machine.reason


def test_fresh_samples_of_the_run_are_preferred_to_the_consoles_own(book, live):
    sample = {"t": time.time(), "gpu": 0, "p50": 93.0, "power": 600.0, "name": "NVIDIA\x1b[31m H"}
    live.gpu.write_text(json.dumps(sample) + "\ngarbage\n[]\n" + json.dumps({"gpu": "x"}) + "\n")
    look = MachineLook()
    machine = look.look(view_of(book, live))
    assert machine.of_run
    assert (machine.gpus[0].sm, machine.gpus[0].name) == (93.0, "NVIDIA H")
    live.gpu.unlink()
    assert not look.look(view_of(book, tui_run.finished_dry_run(book))).of_run
    look.close()


def test_bars_have_the_newest_value_on_the_right():
    assert spark((0.0, 50.0, 100.0), 5) == "  ▁▅█"
    assert spark((0.0, 50.0, 100.0), 2) == "▅█"
    assert spark((1000.0, -5.0), 2) == "█▁"
    assert spark((1.0,), 0) == ""


# The table of keys.


def test_no_stage_may_take_a_key_of_the_console(book):
    refuse_taken_hotkeys(book)
    for taken in ("x", "q", "?", "/", "1", "j", "G", "t", "&"):
        stages = (replace(book.stages[0], hotkey=taken), *book.stages[1:])
        with pytest.raises(UsageError, match="is a key of the console"):
            refuse_taken_hotkeys(replace(book, stages=stages))


def test_a_footer_leaves_out_what_would_do_nothing(book):
    pairs = footer("confirm", without={"override", "renew"})
    assert [word for _, word in pairs] == ["start", "edit", "then", "until", "cancel"]
    assert footer("main", stage_keys(book))[0] == ("d", "dry")


@pytest.mark.parametrize("own", [True, False], ids=["its own stage", "another stage"])
def test_the_first_picture_of_a_long_run_does_not_wait_for_its_criteria(
    book, home, monkeypatch, own
):
    checked = []
    real = followed.check
    monkeypatch.setattr(followed, "check", lambda *given: checked.append(given) or real(*given))
    short = load_book(shipped("runbook.toml")).stage("short")
    stage = replace(short, output_dir=home / "output" / "hpo_short")
    stages = [stage if own else replace(stage, n_trials=stage.n_trials + 1)]
    run = long_run(stage.output_dir, MANY, 1)
    views = []

    def post(view):
        if view.reading is None:  # a slow machine says how far it has read before
            views.append(view)

    follower = Follower(replace(book, stages=stages), run.path, post)
    follower.look()
    assert len(views[0].state.trials) > MANY
    assert (views[0].results, checked) == ((), [])
    follower.look()
    assert len(views[1].results) == len(views[1].stage.criteria) > 0

    state = evidence(run)
    snapshot.save(run, state)
    _, head, rest = run.snapshot.read_bytes().split(b"\n", 2)
    said = json.loads(head)
    said["results"][0]["note"] = "as it was said then"
    data = json.dumps(said).encode() + b"\n" + rest
    run.snapshot.write_bytes(b"%d\n" % zlib.crc32(data) + data)
    checked.clear()
    again = Follower(replace(book, stages=stages), run.path, post)
    again.look()
    assert views[-1].results[0].note == "as it was said then"
    assert checked == []
    again.look()
    assert views[-1].results == views[1].results, "and checked again"


def test_a_log_that_is_cut_or_becomes_another_one_is_read_again(book, finished):
    views = []
    follower = Follower(book, finished.path, views.append)
    follower.look()
    whole = finished.events.read_bytes()
    lines = whole.splitlines(keepends=True)
    finished.events.write_bytes(b"".join(lines[:5]))
    follower.look()  # sees that it was cut
    follower.look()  # and begins again
    assert views[-1].state.seq == 5
    assert views[-1].state == evidence(finished)
    finished.events.write_bytes(whole)
    follower.look()
    assert views[-1].state == evidence(finished)
