"""The snapshot only saves time: whatever is in it, the log decides."""

import json
import zlib

import pytest
from run_builders import dry_run, sweep, written

from atft_core.bench.runs import long_run
from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_core.run.judge.criteria import check
from atft_core.run.snapshot import load_start, save
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
        state, tail, _ = load_start(run)
        assert (state.seq, tail.offset) == (cut, offset)
        assert load(run) == whole
        run.snapshot.unlink()


def parts(run):
    """Its first line and the rest, behind the checksum."""
    _, head, rest = run.snapshot.read_bytes().split(b"\n", 2)
    return json.loads(head), rest


def put(run, head, rest):
    """A snapshot with a right checksum."""
    data = json.dumps(head).encode() + b"\n" + rest
    run.snapshot.write_bytes(b"%d\n" % zlib.crc32(data) + data)


def forged(run, **changes):
    """A snapshot that is good for this log but for the changes; None: a field left out."""
    head, rest = parts(run)
    put(run, {k: v for k, v in {**head, **changes}.items() if v is not None}, rest)


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
        {"results": None}, {"results": [{"verdict": "WELL"}]},
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_snapshot_is_ignored(tmp_path, changes):
    run = written(dry_run(), tmp_path / "run")
    whole = evidence(run)
    save(run, load(run))
    forged(run, **changes)
    state, tail, _ = load_start(run)
    assert (state, tail.offset) == (State(), 0)
    assert load(run) == whole
    assert whole.end_state == "FINISHED"


def test_a_snapshot_with_any_byte_changed_is_ignored(tmp_path):
    run = written(sweep([0.01, 0.02]), tmp_path / "run")
    save(run, load(run))
    whole = run.snapshot.read_bytes()
    for place in range(0, len(whole), 7):
        run.snapshot.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert load_start(run).state == State()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole + b"[]\n"):
        run.snapshot.write_bytes(damaged)
        assert load_start(run).state == State()


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("trials", "value", 0), "0.99"), (("trials", "number", 1), "zz"), (("epochs", 0), "x"),
        (("trials", "params", 0), 5), (("trials", "value", 1), 1e300), (("trials", "value"), [1.0]),
        (("trials", "mishaps", 0), [5]), (("epochs", 1), -1), (("state", "n_trials"), 10**600),
        (("state", "alerts", 0, "text"), 4), (("state", "horizon"), None), (("state", "seq"), "x"),
        (("state", "baselines"), {"1": [1]}), (("state", "facts"), {"x": float("nan")}),
        (("state", "verdicts", 0, "word"), 5), (("state", "verdicts", 0, "until"), "x"),
        (("state", "verdicts", 0, "split", "compute"), -1.0),
        (("state", "verdicts", 0, "split"), {"wait": 0, "compute": 0, "validate": 0, "rest": 0}),
    ],
)  # fmt: skip
def test_values_of_other_types_are_not_believed_whatever_the_checksum(tmp_path, path, to):
    log = sweep([0.01, 0.02])
    log.add(ev.Alert(text="low"))
    run = written(log, tmp_path / "run")
    save(run, load(run))
    head, rest = parts(run)
    inner = head
    for key in path[:-1]:
        inner = inner[key]
    assert path[-1] in inner or isinstance(inner, list)
    inner[path[-1]] = to
    put(run, head, rest)
    assert load_start(run).state == State()


@pytest.mark.parametrize("line", [b"[5]", b"[]", b"{", b'[{"val": 5}]', b"7"])
@pytest.mark.parametrize("place", [0, 1])
def test_forged_epochs_are_none_and_end_nothing(tmp_path, line, place):
    run = written(sweep([0.01, 0.02]), tmp_path / "run")
    save(run, load(run))
    head, rest = parts(run)
    lines = rest.splitlines()
    lines[place] = line
    put(run, {**head, "sizes": [len(line) + 1 for line in lines]}, b"\n".join([*lines, b""]))
    trials = load_start(run).state.trials
    rows, newest = trials[0].epochs, trials[0].epochs[-1]
    if place == 0:
        assert newest.metric("rank_ic", 1) is None and newest.epoch == len(rows)
    else:
        assert list(rows) == [newest]
    assert list(trials[1].epochs) == list(evidence(run).trials[1].epochs)


@pytest.mark.parametrize("count", [2**63, 10**9, 2**62])
def test_more_epochs_than_the_file_can_hold_are_not_believed(tmp_path, count):
    run = written(sweep([0.01, 0.02]), tmp_path / "run")
    save(run, load(run))
    forged(run, epochs=[count, 3])
    assert load_start(run).state == State()


@pytest.mark.parametrize("sizes", [[], [1], [10**9] * 4, [-5] * 4, ["x"] * 4, [0] * 4, None, 7])
def test_forged_sizes_of_epochs_end_nothing(tmp_path, sizes):
    run = written(sweep([0.01, 0.02]), tmp_path / "run")
    save(run, load(run))
    forged(run, sizes=sizes)
    for trial in load_start(run).state.trials.values():
        assert trial.epochs[-1].metric("rank_ic", 1) is None
        assert list(trial.epochs) == [trial.epochs[-1]]


def test_epochs_of_a_snapshot_are_decoded_when_they_are_looked_at(tmp_path):
    log = sweep([0.01, 0.02])
    run = written(log, tmp_path / "run")
    whole = evidence(run)
    save(run, whole)
    state = load_start(run).state
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
    assert (load(run).trials, load(run).lost) == ({}, 1)


def test_evidence_is_what_the_log_says_whatever_the_snapshot_says(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    truth = evidence(run)
    save(run, load(run))
    trials = parts(run)[0]["trials"]
    trials["value"][0] = 7.7
    forged(run, trials=trials)
    assert load(run).trials[0].value == 7.7, "it is good for a look"
    assert evidence(run) == truth


def test_a_snapshot_says_what_the_criteria_said(tmp_path):
    run = long_run(tmp_path / "run", trials=2, epochs=2)
    assert load_start(run).results == ()
    state = evidence(run)
    save(run, state)
    known = check(state, stage_from_json(state.stage_spec))
    assert any(result.value is not None for result in known)
    assert load_start(run).results == known


def test_a_stage_that_cannot_be_read_does_not_keep_a_snapshot_from_being_made(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    state = evidence(run)
    assert "output_dir" not in state.stage_spec
    save(run, state)
    assert (load_start(run).state, load_start(run).results) == (state, [])


def test_text_that_is_no_unicode_is_kept(tmp_path):
    run = written(dry_run(), tmp_path / "run")
    with Journal(run.events) as journal:
        journal.append(ev.WorkerExited(trial=0, ok=False, reason="\ud800"))
    state = evidence(run)
    save(run, state)
    assert load_start(run).state == state
