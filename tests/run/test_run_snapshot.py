"""The snapshot only saves time: whatever is in it, the log decides."""

import json

import pytest
from run_builders import dry_run, sweep, written

from atft_core.bench.runs import long_run
from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_core.run.judge.criteria import check
from atft_core.run.snapshot import load_tail, save
from atft_core.run.stages import stage_from_json
from atft_core.run.state import State
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
        state, tail, _ = load_tail(run)
        assert (state.seq, tail.offset) == (cut, offset)
        assert load(run) == whole
        run.snapshot.unlink()


def forged(run, **changes):
    """A snapshot that is good for this log but for the changes; None: a field left out."""
    head, *rest = run.snapshot.read_bytes().splitlines(keepends=True)
    made = {
        key: value for key, value in {**json.loads(head), **changes}.items() if value is not None
    }
    run.snapshot.write_bytes(json.dumps(made).encode() + b"\n" + b"".join(rest))


@pytest.mark.parametrize("snapshot", [b"", b"{", b"[]", b"null\n", b"\xff\n", b'{"offset": 0}\n'])
def test_what_is_no_snapshot_is_ignored(tmp_path, snapshot):
    run = written(dry_run(), tmp_path / "run")
    run.snapshot.write_bytes(snapshot)
    assert load(run) == evidence(run)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": []}, {"state": {"trials": []}}, {"state": {"trials": {}, "born_later": 1}},
        {"offset": 10**9}, {"offset": -1}, {"offset": "x"}, {"offset": float("inf")},
        {"offset": None}, {"atft": "0.0.1"}, {"shape": 1}, {"shape": None}, {"before": "0" * 64},
        {"epochs": 1}, {"epochs": None}, {"results": None}, {"results": [{"verdict": "WELL"}]},
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_snapshot_is_ignored(tmp_path, changes):
    run = written(dry_run(), tmp_path / "run")
    whole = evidence(run)
    save(run, load(run))
    forged(run, **changes)
    state, tail, _ = load_tail(run)
    assert (state, tail.offset) == (State(), 0)
    assert load(run) == whole
    assert whole.end_state == "FINISHED"


def test_a_snapshot_with_any_byte_of_its_epochs_changed_is_ignored(tmp_path):
    run = written(sweep([0.01, 0.02]), tmp_path / "run")
    save(run, load(run))
    whole = run.snapshot.read_bytes()
    body = whole.index(b"\n") + 1
    for place in range(body, len(whole), 7):
        run.snapshot.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert load_tail(run).state == State()
    for damaged in (whole[:-1], whole[:body], whole + b"[]\n"):
        run.snapshot.write_bytes(damaged)
        assert load_tail(run).state == State()


def test_epochs_of_a_snapshot_are_decoded_when_they_are_looked_at(tmp_path):
    log = sweep([0.01, 0.02])
    run = written(log, tmp_path / "run")
    whole = evidence(run)
    save(run, whole)
    state = load_tail(run).state
    rows, known = state.trials[1].epochs, whole.trials[1].epochs
    assert len(rows) == len(known) > 1
    assert rows[-1] == known[-1]
    twin = state.trials[1].copy()
    assert list(twin.epochs) == list(known)
    assert rows[0] is twin.epochs[0], "decoded once for all copies"
    assert rows[-1] is twin.epochs[-1]
    twin.epochs.append(known[0])
    assert len(rows) == len(known), "a copy grows alone"


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
    state = json.loads(run.snapshot.read_bytes().splitlines()[0])["state"]
    state["trials"]["0"]["value"] = 7.7
    forged(run, state=state)
    assert load(run).trials[0].value == 7.7, "it is good for a look"
    assert evidence(run) == truth


def test_a_snapshot_says_what_the_criteria_said(tmp_path):
    run = long_run(tmp_path / "run", trials=2, epochs=2)
    assert load_tail(run).results == ()
    state = evidence(run)
    save(run, state)
    known = check(state, stage_from_json(state.stage_spec))
    assert any(result.value is not None for result in known)
    assert load_tail(run).results == known


def test_a_stage_that_cannot_be_read_does_not_keep_a_snapshot_from_being_made(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    state = evidence(run)
    assert "output_dir" not in state.stage_spec
    save(run, state)
    assert (load_tail(run).state, load_tail(run).results) == (state, [])


def test_text_that_is_no_unicode_is_kept(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    with Journal(run.events) as journal:
        journal.append(ev.WorkerExited(trial=0, ok=False, reason="\ud800"))
    state = evidence(run)
    save(run, state)
    assert load_tail(run).state == state
