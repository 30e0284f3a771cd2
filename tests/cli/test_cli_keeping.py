"""note, tag, archive, delete and the list of runs, as they are typed."""

import json
import os
import pty
import subprocess
import sys

import pytest
import run_builders

from atft_core.run.files import read_json, write_json
from atft_core.run.lock import EngineLock


@pytest.fixture
def runs(tmp_path):
    """A dry run, and a short sweep that it opened."""
    dry = run_builders.written(run_builders.dry_run(), tmp_path / "output" / "dry", 1.0)
    short = run_builders.written(run_builders.sweep([0.02, 0.05]), dry.path.with_name("short"), 2.0)
    facts = read_json(short.run_json)
    write_json(short.run_json, facts | {"evidence": "output/dry", "cwd": str(tmp_path)})
    return dry, short


def test_notes_and_tags_are_shown_by_status(atft, runs):
    assert atft("note", "output/short", "--trial", "1", "one", "to beat").code == 0
    assert atft("tag", "output/short", "+candidate", "x", "-hold").code == 0
    done = atft("tag", "output/short", "-x", "--trial", "1", "+check")
    assert "trial 1: #check one to beat" in done.out
    said = atft("status", "output/short").out
    assert "note: #candidate #x" in said
    assert "#check one to beat" in said
    value = json.loads(atft("status", "output/short", "--json").out)
    assert (value["tags"], value["archived"]) == (["candidate", "x"], False)
    assert value["disk_bytes"] > 0
    assert value["trials"][1]["note"] == "one to beat"
    assert value["trials"][0]["tags"] == []


def test_the_status_calls_the_states_of_trials_as_the_console_does(atft, tmp_path):
    log = run_builders.sweep([0.02, 0.05, 0.03, 0.01], pruned=(1,), failed=(2,), end="")
    log.worker(4)
    run_builders.written(log, tmp_path / "run")
    rows = [line.split() for line in atft("status", "run").out.splitlines()]
    words = {row[0]: row[1] for row in rows if row and row[0] in ("0", "1", "2", "3", "4")}
    assert words == {"0": "done", "1": "pruned", "2": "failed", "3": "done", "4": "runs"}
    told = json.loads(atft("status", "run", "--json").out)["trials"]
    assert [trial["state"] for trial in told] == [
        "COMPLETE", "PRUNED", "FAIL", "COMPLETE", "RUNNING",
    ], "programs get the names of Optuna"  # fmt: skip


def test_a_tag_that_is_added_and_taken_away_is_as_it_was_said_last(atft, runs):
    assert atft("tag", "output/dry", "+a", "-a").out.endswith("no note, no tags\n")
    assert atft("tag", "output/dry", "-hold", "+hold").out.endswith("#hold\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("note", "output/dry", "--trial", "7", "x"), "has no trial 7"),
        (("note", "output", "x"), "not a run directory"),
        (("note", "output/dry", "a\nb"), "one line of printable text"),
        (("tag", "output/dry", "+two words"), "is no tag"),
        (("tag", "output/dry"), "TAG"),
        (("archive", "output/dry", "nowhere"), "not a run directory"),
        (("delete", "nowhere", "--yes"), "not a run directory"),
        (("delete", "output/dry"), "there is no terminal"),
    ],
)
def test_what_cannot_be_done_is_said(atft, runs, words, said):
    done = atft(*words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err
    assert not runs[0].notes.exists()
    assert runs[0].run_json.exists()


def test_an_archived_run_is_left_out_of_the_list_unless_all_are_asked_for(atft, runs):
    assert atft("archive", "output/dry", "output/short").code == 0
    assert "2 archived runs not shown (--all)" in atft("status").out
    assert "output/dry" not in atft("status", "output").out
    assert "(archived)" in atft("status", "output", "--all").out
    assert json.loads(atft("status", "--json").out) == {"runs": []}
    assert len(json.loads(atft("status", "--all", "--json").out)["runs"]) == 2
    assert atft("archive", "--undo", "output/short").code == 0
    said = atft("status", "output/dry", "output/short").out
    assert "output/short" in said
    assert "+0.0500  0.0080" in said


def test_a_live_run_is_neither_archived_nor_deleted(atft, runs):
    text = runs[1].events.read_text().splitlines()[:-1]
    runs[1].events.write_text("\n".join(text) + "\n")
    lock = EngineLock(runs[1].lock)
    try:
        for words in (("archive", "output/short"), ("delete", "output/short", "--yes")):
            done = atft(*words)
            assert done.code == 1
            assert "First: atft stop" in done.err
        assert atft("note", "output/short", "while it runs").code == 0
    finally:
        lock.release()
    assert runs[1].run_json.exists()


def test_deleting_says_what_it_opened(atft, runs):
    done = atft("delete", "output/dry", "--yes", "--json")
    value = json.loads(done.out)
    assert value["opened"] == [str(runs[1].path)]
    assert value["bytes"] > 0
    assert not runs[0].path.exists()
    assert "short" in atft("delete", "output/short", "--yes").out


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_a_person_is_asked_with_what_is_lost(runs, tmp_path, answer, gone):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "atft_core", "delete", "output/dry"]
    process = subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, cwd=tmp_path)
    os.write(ours, answer.encode())
    asked = process.communicate(timeout=60)[1].decode()
    os.close(ours)
    os.close(theirs)
    assert "dry, FINISHED: 1 trial, best RankIC .050, " in asked
    assert "KiB" in asked
    assert f"Its evidence opened {runs[1].path}." in asked
    assert f"Delete {runs[0].path} for good? [y/N]" in asked
    assert runs[0].path.exists() is not gone
    assert process.returncode == (0 if gone else 2)
