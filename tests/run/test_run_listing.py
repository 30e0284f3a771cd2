"""One line about a run: what it says of good, damaged, huge and foreign runs."""

import os
import socket

import pytest
import run_builders

from atft_core.run import events as ev
from atft_core.run import listing
from atft_core.run.files import read_json, write_json
from atft_core.run.listing import disk_use, evidence_of, listed
from atft_core.run.lock import EngineLock
from atft_core.run.notes import write_archived, write_note
from atft_core.run.snapshot import save
from atft_core.run.status import load


@pytest.fixture
def run(tmp_path):
    log = run_builders.sweep([0.02, 0.05, 0.03], pruned=(2,))
    return run_builders.written(log, tmp_path / "short", created=7.0)


def test_a_line_says_how_far_and_how_good(run):
    found = listed(run)
    assert (found.stage, found.status.name, found.made) == ("short", "FINISHED", 7.0)
    assert (found.ended, found.planned) == (3, 3)
    assert (found.best, found.best_se) == (0.05, 0.008)
    assert found.locked == ""
    assert found.evidence == ""


def test_a_line_has_the_note_and_whether_the_run_is_put_away(run):
    write_note(run, "look again")
    write_archived(run, archived=True)
    found = listed(run)
    assert (found.note.text, found.archived) == ("look again", True)


def test_a_live_run_is_running(tmp_path):
    run = run_builders.written(run_builders.sweep([0.02], end=""), tmp_path / "short")
    lock = EngineLock(run.lock)
    try:
        assert listed(run).status.name in ("RUNNING", "HUNG")  # its log has an old clock
        assert listed(run).locked == ""
    finally:
        lock.release()


def test_a_run_of_another_host_is_not_to_be_changed(run):
    run.lock.write_text('{"pid": 1, "host": "gpu-7"}')
    assert socket.gethostname() != "gpu-7"
    assert listed(run).locked == "its engine is on gpu-7"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a run away")
@pytest.mark.parametrize(("uid", "name"), [(65534, "nobody"), (54321, "54321")])
def test_somebody_elses_run_names_them(run, uid, name):
    os.chown(run.path, uid, uid)
    found = listed(run)
    assert found.owner == name
    assert found.locked == f"it belongs to {name}"


def test_a_damaged_run_says_so(run):
    text = run.events.read_text().replace('"rank_ic":', '"rank_ic_":')
    run.events.write_text(text.replace('"epoch":1,', '"epoch":[1],'))
    assert listed(run).status.name == "FINISHED", "lines that make no sense are left out"
    run.events.unlink()
    run.events.mkdir()
    found = listed(run)
    assert found.status.name == "UNREADABLE"
    assert found.made == 7.0


def test_run_json_that_is_no_object_is_survived(run):
    run.run_json.write_text("[1, 2]")
    assert listed(run).stage == "short"
    assert listed(run).made == 0.0


def test_a_huge_log_is_read_at_its_ends_only(run, monkeypatch):
    whole = listed(run)
    monkeypatch.setattr(listing, "_MAX_LOG", 1000)
    monkeypatch.setattr(listing, "_END", run.events.stat().st_size * 2 // 3)
    found = listed(run)
    assert (found.stage, found.status.name) == (whole.stage, whole.status.name)
    assert found.planned == 3
    assert (found.ended, found.best) == (None, None), "not read is not known"


def test_of_a_huge_log_with_a_snapshot_all_is_known(run, monkeypatch):
    whole = listed(run)
    save(run, load(run))
    monkeypatch.setattr(listing, "_MAX_LOG", 1000)
    assert listed(run) == whole


def test_a_run_that_makes_no_sense_hides_no_other(tmp_path):
    log = run_builders.Log().start().worker(params={"split.fold": 0}).epoch(1).trial_end()
    log.add(ev.WalkedForward(found={"pooled": [1]})).end()
    found = listed(run_builders.written(log, tmp_path / "walk"))
    assert (found.status.name, found.best) == ("UNREADABLE", None)


def test_the_disk_use_is_what_the_system_says_and_follows_no_link(tmp_path):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "run" / "deep" / "big").write_bytes(os.urandom(1 << 20))
    (tmp_path / "outside").write_bytes(os.urandom(1 << 20))
    (tmp_path / "run" / "link").symlink_to(tmp_path)
    used = disk_use(tmp_path / "run")
    assert 1 << 20 <= used < (1 << 20) + (1 << 16)
    assert disk_use(tmp_path / "nowhere") == 0


@pytest.mark.parametrize(
    ("facts", "path"),
    [
        ({}, ""),
        ({"evidence": None, "cwd": "/x"}, ""),
        ({"evidence": "output/dry", "cwd": "/x"}, "/x/output/dry"),
        ({"evidence": "../dry", "cwd": "/x/y"}, "/x/dry"),
        ({"evidence": "/a/dry", "cwd": "/x"}, "/a/dry"),
        ({"evidence": 7}, ""),
    ],
)
def test_the_evidence_is_an_absolute_path(run, facts, path):
    assert evidence_of(facts) == path
    write_json(run.run_json, read_json(run.run_json) | facts)
    assert listed(run).evidence == path
