"""`atft repair`: what a crash or a bad disk leaves is explained, put right, and the run goes on."""

import json
import os
import random
import shutil

import pytest
from drill import atft, refused
from test_drill_faults import assert_whole, resume_to_the_end

from atft_core.run.lock import EngineLock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def flipped(path, seed=0, size=64):
    """Some bytes in the middle are others."""
    data = bytearray(path.read_bytes())
    at = random.Random(seed).randrange(len(data) // 4, len(data) // 2)
    data[at : at + size] = os.urandom(size)
    path.write_bytes(data)


def emptied(path):
    path.write_bytes(b"")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def header_lost(path):
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])


def removed(path):
    path.unlink()


def found(run, *options, code=0):
    said = json.loads(atft("repair", run.path, "--json", *options, code=code))
    return {each["what"]: (each["state"], each["said"]) for each in said["found"]}


def test_half_a_commit_of_the_study_that_was_lost_does_not_come_into_the_new_one(run, cut_short):
    journal = cut_short(run.study)
    before = run.study.read_bytes(), journal.read_bytes()
    assert found(run, "--look")["study"][0] == "ok", "SQLite takes the half back"
    assert (run.study.read_bytes(), journal.read_bytes()) == before, "it only looked"
    run.study.unlink()
    assert found(run)["study"][0] == "repaired"
    assert found(run)["study"][0] == "ok"
    resume_to_the_end(run)
    assert_whole(run, trials=4)


def test_lines_that_are_doubled_missing_or_turned_are_no_log_that_is_well(run):
    lines = run.events.read_text().splitlines(keepends=True)
    for made in (
        [*lines[:5], *lines[4:]], [*lines[:5], *lines[6:]],
        [*lines[:5], lines[6], lines[5], *lines[7:]],
    ):  # fmt: skip
        run.events.write_text("".join(made))
        state, said = found(run, "--look", code=1)["event log"]
        assert (state, said[:6]) == ("damaged", "1 line")
    run.events.write_text("".join(lines))
    assert found(run, "--look")["event log"][0] == "ok"


def test_a_study_is_not_made_again_from_a_log_that_has_lost_something(run):
    text = run.events.read_text()
    (line,) = [
        x for x in text.splitlines() if '"trial":0' in x and '"epoch":2' in x and '"val"' in x
    ]
    run.events.write_text(text.replace(line, line.replace('"epoch":2', '"epoch":9')))
    run.snapshot.unlink(missing_ok=True)
    before = run.study.read_bytes()
    said = found(run, code=1)
    assert "the log has lost that, so the study is left alone" in said["study"][1]
    assert run.study.read_bytes() == before


def test_there_is_a_row_for_each_file_whatever_stands_in_its_place(run):
    run.snapshot.unlink(missing_ok=True)
    run.snapshot.mkdir()
    assert found(run)["snapshot"][0] == "repaired"
    run.events.rename(run.path / "aside")
    run.events.mkdir()
    rows = found(run, code=1)
    assert rows["event log"][0] == "damaged" and set(rows) >= {"configuration", "study", "snapshot"}


@pytest.mark.parametrize("damage", [emptied, halved, header_lost, removed])
def test_a_damaged_study_is_made_again_from_the_log(run, damage):
    damage(run.study)
    before = run.study.read_bytes() if run.study.exists() else None
    assert found(run, "--look")["study"][0] == "to repair"
    assert (run.study.read_bytes() if run.study.exists() else None) == before, "it only looked"
    state, said = found(run)["study"]
    assert state == "repaired"
    assert "made again from the event log" in said
    if before is not None:
        (kept,) = (run.path / "repaired").glob("*/study.db")
        assert kept.read_bytes() == before
    assert found(run)["study"][0] == "ok"
    resume_to_the_end(run)
    assert_whole(run, trials=4)


def test_a_study_put_back_from_an_older_copy_is_brought_up_to_the_log(run):
    shutil.copy(run.study_snapshot, run.study)
    assert found(run)["study"][0] == "repaired"
    resume_to_the_end(run)
    assert_whole(run, trials=4)


def test_half_a_line_at_the_end_of_the_log_is_cut_off_and_kept(run):
    before = run.events.read_bytes()
    run.events.write_bytes(before + b'{"seq": 99, "t": 17')
    state, said = found(run)["event log"]
    assert state == "repaired" and "half a line of 19 bytes" in said
    assert run.events.read_bytes() == before
    resume_to_the_end(run)
    assert_whole(run, trials=4)


def test_what_the_log_has_lost_is_said_and_not_made_up(run):
    lines = run.events.read_bytes().splitlines(keepends=True)
    lines[5] = b"x" * len(lines[5].rstrip()) + b"\n"
    run.events.write_bytes(b"".join(lines))
    said = atft("repair", run.path, code=1)
    assert "1 line cannot be read (6)" in said and "no evidence for a gate" in said
    assert run.events.read_bytes() == b"".join(lines)


def test_a_whole_run_is_left_as_it_is(run):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    states = {what: state for what, (state, _) in found(run).items()}
    assert set(states.values()) == {"ok"}, states
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert after == before


def test_a_run_with_an_engine_is_not_repaired(run):
    lock = EngineLock(run.lock)
    try:
        assert "belongs to a running engine" in refused("repair", run.path)
    finally:
        lock.release()


def test_bytes_that_turned_in_the_study_are_never_believed(run):
    """Whatever turned: either nobody can see it, or it is noticed; the run ends whole."""
    flipped(run.study)
    found(run, code=None)
    resume_to_the_end(run)
    assert_whole(run, trials=4)
