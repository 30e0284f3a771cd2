"""A run is deleted whole, alone and only by its owner; archiving it changes no gate."""

import os
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import run_builders

from atft_core.errors import RunBusyError, RunDirectoryError
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json, write_json
from atft_core.run.judge.gates import gate
from atft_core.run.lock import EngineLock, ProcessLock
from atft_core.run.notes import write_archived
from atft_core.run.removal import delete, hold_moved, opened_by
from atft_core.run.stages import CriterionSpec, Runbook, Stage


@pytest.fixture
def run(tmp_path):
    return run_builders.written(run_builders.dry_run(), tmp_path / "output" / "dry")


def book(folder: Path) -> Runbook:
    dry = Stage("dry", "dry run", "d", "s", folder / "dry", 1, 2, criteria=(
        CriterionSpec("val_rank_ic", "RankIC", "model quality", -0.01, None, 1),))  # fmt: skip
    short = replace(dry, key="short", output_dir=folder / "short", requires="dry")
    return Runbook(folder / "book.toml", "b", False, (dry, short))


def test_a_run_is_deleted_and_nothing_else(run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (run.path / "trial_0").mkdir()
    (run.path / "trial_0" / "checkpoints").symlink_to(outside)
    sibling = run_builders.written(run_builders.dry_run(), run.path)
    delete(run)
    assert not run.path.exists()
    assert [path.name for path in run.path.parent.iterdir()] == [sibling.path.name]
    assert (outside / "kept").read_text() == "x"


def test_a_live_run_is_not_deleted(run):
    lock = EngineLock(run.lock)
    run.events.write_text("\n".join(run.events.read_text().splitlines()[:-1]) + "\n")
    try:
        with pytest.raises(RunBusyError, match="not deleted"):
            delete(run)
    finally:
        lock.release()
    assert run.run_json.exists()


def test_an_engine_that_starts_at_this_moment_wins(run):
    lock = EngineLock(run.lock)  # its log still says that it ended
    try:
        with pytest.raises(RunBusyError, match="running engine"):
            delete(run)
    finally:
        lock.release()
    assert run.run_json.exists()


def test_a_run_whose_worker_is_at_work_is_not_deleted(run):
    (run.path / "trial_0").mkdir()
    lock = ProcessLock(run.trial(0).lock)
    try:
        with pytest.raises(RunBusyError, match="a worker is still at trial 0"):
            delete(run)
    finally:
        lock.release()
    delete(run)
    assert not run.path.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few pages and files."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=60", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, *, files: bool) -> None:
    """Until not a byte fits any more; with `files`, no empty file either."""
    full = place / "full"
    with suppress(OSError), full.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with suppress(OSError):
        while files:
            (place / f"empty.{len(list(place.iterdir()))}").touch()


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("files", [False, True])
def test_a_run_on_a_full_disk_is_deleted(small_disk, there, files):
    run = run_builders.written(run_builders.dry_run(), small_disk / "output" / "dry")
    if there:
        run.lock.touch()
    fill(small_disk, files=files)
    with pytest.raises(OSError, match="No space left"):
        EngineLock(run.lock)
    delete(run)
    assert list(run.path.parent.iterdir()) == []


def test_a_live_run_on_a_full_disk_is_not_deleted(small_disk):
    run = run_builders.written(run_builders.dry_run(), small_disk / "output" / "dry")
    lock = EngineLock(run.lock)
    fill(small_disk, files=True)
    with pytest.raises(RunBusyError, match="running engine"):
        delete(run)
    os.close(lock._fd)  # its owner's death
    delete(run)
    assert not run.path.exists()


def test_an_engine_that_made_its_lock_just_before_the_run_was_renamed_gets_it_back(run):
    lock = EngineLock(run.lock)
    doomed = run.path.with_name(".dry.deleted.1")
    run.path.rename(doomed)
    try:
        with pytest.raises(RunBusyError):
            hold_moved(run, doomed)
    finally:
        lock.release()
    assert run.run_json.exists()


def test_a_lock_that_cannot_be_taken_stops_a_deletion_with_a_word(run):
    run.lock.symlink_to("elsewhere")
    with pytest.raises(RunDirectoryError, match=r"engine\.lock") as error:
        delete(run)
    assert str(run.lock) in error.value.hint
    assert run.run_json.exists()


def test_a_link_to_a_run_is_not_deleted(run):
    link = run.path.with_name("link")
    link.symlink_to(run.path)
    with pytest.raises(RunDirectoryError, match="symbolic link"):
        delete(RunDirectory(link))
    assert run.run_json.exists()


def test_what_is_no_run_is_not_deleted(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        delete(RunDirectory(tmp_path / "photos"))
    assert (tmp_path / "photos").is_dir()


def test_a_directory_that_holds_other_runs_is_not_deleted(run):
    other = run_builders.written(run_builders.dry_run(), run.path / "nested" / "dry")
    with pytest.raises(RunDirectoryError, match="holds other runs"):
        delete(run)
    assert other.run_json.exists()


def test_nobody_deletes_the_ground_they_stand_on(run, monkeypatch):
    monkeypatch.chdir(run.path / "logs")
    with pytest.raises(RunDirectoryError, match="where you are"):
        delete(run)


def test_a_damaged_run_can_be_deleted(run):
    run.events.unlink()
    run.events.mkdir()
    delete(run)
    assert not run.path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a run away")
def test_somebody_elses_run_is_not_deleted_not_even_by_root(run):
    os.chown(run.path, 65534, 65534)
    with pytest.raises(RunDirectoryError, match="belongs to nobody"):
        delete(run)
    assert run.run_json.exists()


def test_the_runs_that_its_evidence_opened_are_known(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = run_builders.written(run_builders.dry_run(), run.path.with_name("short"))
    assert opened_by(run) == []
    facts = read_json(other.run_json)
    write_json(other.run_json, facts | {"evidence": "output/dry", "cwd": str(tmp_path)})
    assert opened_by(run) == [other.path]


def test_archiving_opens_no_gate_and_closes_none(run):
    runbook = book(run.path.parent)
    bad = run_builders.written(run_builders.dry_run(run_builders.metrics(-0.5)), run.path, 5.0)
    before = gate(runbook, runbook.stage("short"), None)
    assert not before.open
    assert before.evidence == bad.path, "the newest run decides"
    write_archived(bad, archived=True)
    assert gate(runbook, runbook.stage("short"), None) == before, "not put away to be forgotten"
    delete(bad)
    write_archived(run, archived=True)
    assert gate(runbook, runbook.stage("short"), None).open
