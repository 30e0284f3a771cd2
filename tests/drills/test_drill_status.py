"""`atft status` through the life of a run: at work, stopped, dead, finished, and none at all."""

import json
import os
import shutil
from pathlib import Path

import pytest
from drill import atft, kill, start, wait_for, wait_for_end

from atft_core.run.directory import RunDirectory
from atft_core.run.listing import listed
from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def status(place) -> dict:
    return json.loads(atft("status", place, "--json"))


def at_work(state):
    return state.trials and state.trials[0].pid > 0 and state.trials[0].epochs


def as_on_file(run: RunDirectory, said: dict) -> None:
    """Parameters, epochs and values are those in the trials' own files."""
    for trial in said["trials"]:
        files = run.trial(trial["number"])
        assert trial["params"] == json.loads(files.params.read_text())["params"]
        metrics = json.loads(files.metrics.read_text())
        assert trial["epoch"] == len(metrics["epochs"])
        if trial["state"] == "COMPLETE":
            assert trial["value"] == json.loads(files.exit.read_text())["value"]


def test_a_run_is_called_what_it_is_from_start_to_end(panel, home):
    run = start(panel, home / "runs" / "out", trials=1, epochs=25)
    wait_for(run, at_work)
    said = status(run.path)
    assert (said["state"], said["stage"], said["reason"]) == ("RUNNING", "", "")
    assert (said["engine_pid"], said["ended"]) == (load(run).engine_pid, None)
    assert said["trials"][0]["state"] == "RUNNING"
    assert said["trials"][0]["phase"] in ("train", "validate", "checkpoint", "score")
    atft("stop", run.path, "--now")
    wait_for_end(run)
    said = status(run.path)
    assert (said["state"], said["reason"]) == ("STOPPED", "stopped on request")
    assert (said["engine_pid"], said["trials"][0]["pid"], said["best"]) == (None, None, None)
    assert said["ended"] > said["started"] > 0
    as_on_file(run, said)
    atft("resume", run.path, "--detach")
    state = wait_for(run, lambda s: s.engines == 2 and at_work(s))
    kill(state.engine_pid)
    kill(state.trials[0].pid)
    said = status(run.path)
    assert (said["state"], said["engine_pid"]) == ("DIED", None)
    assert "atft resume" in said["reason"]
    assert said["trials"][0]["value"] is None
    assert "DIED, the engine is gone" in atft("status", run.path)
    atft("resume", run.path)
    said = status(run.path)
    assert (said["state"], said["reason"]) == ("FINISHED", "")
    assert [trial["state"] for trial in said["trials"]] == ["COMPLETE"]
    assert said["best"] == 0
    as_on_file(run, said)


def test_all_runs_below_a_directory_are_listed_the_newest_first(panel, home):
    second = start(panel, home / "runs" / "second", trials=1, epochs=1)
    wait_for_end(second)
    shutil.copytree(second.path, home / "runs" / "first")
    os.utime(home / "runs" / "first" / "run.json", (0, 0))
    (home / "runs" / "notes").mkdir()
    said = status(home / "runs")["runs"]
    assert [row["run_dir"] for row in said] == [
        str(home / "runs" / name) for name in ("second", "first")
    ]
    assert said[0] == status(second.path)
    header, *lines = atft("status", home / "runs").splitlines()
    assert header.split() == ["run", "stage", "state", "trials", "RankIC", "+-", "disk", "notes"]
    for line, row in zip(lines, said, strict=True):
        best = f"{listed(RunDirectory(Path(row['run_dir']))).best:+.4f}"
        assert line.split()[:6] == [row["run_dir"], "ad", "hoc", "FINISHED", "1/1", best]


def test_where_there_is_no_run_the_way_to_one_is_shown(home):
    assert status(home) == {"runs": []}
    assert "No run in" in atft("status", home)
    assert "atft run dry" in atft("status")
