"""The snapshot only saves time: whatever is in it, the log decides."""

import json

import pytest
from run_builders import dry_run, sweep, written

from atft_core import __version__
from atft_core.run.snapshot import load_tail, save
from atft_core.run.state import State, to_json
from atft_core.run.status import evidence, load


def test_a_snapshot_and_the_tail_after_it_are_the_whole_log(tmp_path):
    log = sweep([0.01, 0.02])
    run = written(log, tmp_path / "run")
    whole = load(run)
    assert len(whole.trials) == 2
    lines = run.events.read_bytes().splitlines(keepends=True)
    for cut in range(len(lines) + 1):
        run.events.write_bytes(b"".join(lines[:cut]))
        offset = run.events.stat().st_size
        save(run, load(run))
        run.events.write_bytes(b"".join(lines))
        state, tail = load_tail(run)
        assert (state.seq, tail.offset) == (cut, offset)
        assert load(run) == whole
        run.snapshot.unlink()


GOOD = {
    "atft": __version__,
    "offset": 0,
    "before": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}


@pytest.mark.parametrize(
    "snapshot",
    [
        "", "{", "[]", "null", '{"offset": 0}', '{"offset": "x", "state": {}}', '{"offset": 1e400}',
        json.dumps({**GOOD, "state": []}), json.dumps({**GOOD, "state": {"trials": []}}),
        json.dumps({**GOOD, "state": {"trials": {}, "alerts": [], "born_later": 1}}),
        json.dumps({**GOOD, "offset": 10**9, "state": to_json(State(seq=99))}),
        json.dumps({**GOOD, "offset": -1, "state": to_json(State(seq=99))}),
        json.dumps({**GOOD, "atft": "0.0.1", "state": to_json(State(seq=99))}),
        json.dumps({**GOOD, "before": "0" * 64, "state": to_json(State(seq=99))}),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_snapshot_is_ignored(tmp_path, snapshot):
    run = written(dry_run(), tmp_path / "run")
    whole = evidence(run)
    run.snapshot.write_text(snapshot)
    assert load(run) == whole
    assert whole.end_state == "FINISHED"


def test_a_log_that_was_changed_before_the_snapshot_is_read_again(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    save(run, load(run))
    size = run.events.stat().st_size
    run.events.write_bytes(b"x" * (size - 1) + b"\n")
    assert load(run) == State()


def test_evidence_is_what_the_log_says_whatever_the_snapshot_says(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    truth = evidence(run)
    save(run, load(run))
    forged = json.loads(run.snapshot.read_text())
    forged["state"]["trials"]["0"]["value"] = 7.7
    run.snapshot.write_text(json.dumps(forged))
    assert load(run).trials[0].value == 7.7, "it is good for a look"
    assert evidence(run) == truth
