"""Files of a run that are none, or hold what no program wrote: named or passed over, never waited
for, never followed.
"""

import json
import os

import pytest

from atft_core.bench.runs import long_run
from atft_core.config.load import read_resolved
from atft_core.errors import AtftError, ConfigError
from atft_core.run import snapshot
from atft_core.run.cut import before, place
from atft_core.run.daily import read_days
from atft_core.run.directory import RunDirectory, created, find_runs
from atft_core.run.files import NotRegularError, open_regular, read_json, write_json
from atft_core.run.journal import Tail
from atft_core.run.kept import is_whole
from atft_core.run.listing import listed
from atft_core.run.lock import EngineLock, Holder, probe
from atft_core.run.settings.requested import read_requested
from atft_core.run.state import State
from atft_core.run.status import evidence
from atft_core.run.wording import finite
from atft_tui.logs.file import LogFile
from atft_tui.screens.console import read_text
from atft_tui.trial_files import traceback_in

HUGE = "9" * 5000
MID = "1" + "0" * 400


@pytest.fixture
def run(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.path.mkdir()
    made.run_json.write_text('{"created": 5.0}')
    return made


@pytest.mark.parametrize("text", [HUGE, f'{{"a": {HUGE}}}', "[" * 100_000, "\udcff", "{", ""])
def test_what_is_no_json_is_none(tmp_path, text):
    path = tmp_path / "file"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert read_json(path) is None


@pytest.mark.parametrize("made", [HUGE, MID, "-1e999", '"soon"', "true", "null"])
def test_a_time_that_is_none_orders_a_run_last(run, made):
    run.run_json.write_text(f'{{"created": {made}}}')
    assert created(run) == 0.0
    assert [found.path for found in find_runs(run.path.parent)] == [run.path]
    assert listed(run).run == run


def test_a_number_that_no_float_holds_is_not_known():
    assert finite(10**400) is None


def test_nobody_waits_for_a_fifo(run):
    for path in (run.events, run.path / "other"):
        os.mkfifo(path)
        assert read_json(path) is None
        with pytest.raises(NotRegularError):
            open_regular(path)
    with pytest.raises(OSError, match="is no regular file"):
        Tail(run.events).lines()
    assert listed(run).run == run
    os.mkfifo(run.lock)
    assert probe(run.lock) is Holder.NOBODY


def test_nobody_waits_for_a_fifo_in_the_place_of_what_was_known(tmp_path):
    run = long_run(tmp_path / "run", trials=1, epochs=1)
    snapshot.save(run, evidence(run))
    for path in (run.events, run.gpu, run.log):
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
    assert snapshot.load_start(run).state == State()
    assert before(run.gpu, None, lambda line: None, 1000) == ([], 0)
    assert place(run.gpu, 1.0, lambda line: None) == 0
    assert traceback_in(run.log) == ()
    log = LogFile(run.log, "")
    assert log.look() == ""
    assert log.before(0, 10).lines == []


def test_nobody_waits_for_a_fifo_in_the_place_of_a_small_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert read_days(pipe, 1) == []
    assert read_requested(pipe).trouble == "pipe cannot be read: is no regular file"
    with pytest.raises(ConfigError, match="is no regular file"):
        read_resolved(pipe)
    with pytest.raises(OSError, match="is no regular file"):
        read_text(pipe)
    for name in ("weights.safetensors", "manifest.json"):
        place = tmp_path / name / "epoch_00001"
        place.mkdir(parents=True)
        write_json(place / "manifest.json", {"sha256": {}})
        (place / name).unlink(missing_ok=True)
        os.mkfifo(place / name)
        assert not is_whole(tmp_path / name, 1)


def test_a_lock_that_is_a_link_overwrites_nothing(run, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    run.lock.symlink_to(victim)
    with pytest.raises((OSError, AtftError)):
        EngineLock(run.lock)
    assert victim.read_text() == "mine"


def test_json_that_is_there_is_read(run):
    assert read_json(run.run_json) == json.loads(run.run_json.read_text())
