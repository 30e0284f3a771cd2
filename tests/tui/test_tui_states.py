"""The state after any event equals the fold up to it, wherever one comes from."""

import random

import pytest
import tui_run

from atft_core.run import events as ev
from atft_core.run.events import Stamped, encode
from atft_core.run.fold import fold
from atft_core.run.journal import Journal, read_events
from atft_core.run.lock import Holder
from atft_core.run.state import State
from atft_core.run.status import load
from atft_core.run.timeline import Then, state_then
from atft_tui.past import states
from atft_tui.past.states import States


def anything(chance: random.Random, seq: int) -> ev.Event:
    """An event of a run that goes badly."""
    trial, attempt = chance.randrange(4), chance.randrange(1, 3)
    said = {"trial": trial, "attempt": attempt, "worker_seq": seq, "said": float(seq)}
    return chance.choice(
        [
            ev.EngineStarted(pid=seq, code=chance.choice("ab")),
            ev.TrialAsked(trial=trial, params={"lr": chance.random()}),
            ev.WorkerStarted(trial=trial, attempt=attempt, pid=seq),
            ev.Settings(**said, values={"code": chance.choice("abc")}),
            ev.Progress(**said, epoch=1, phase="train"),
            ev.Epoch(**said, epoch=seq, seconds=1.0, val={"1": {"rank_ic": chance.random()}}),
            ev.Epoch(**said, epoch=seq, seconds=2.0),
            ev.WorkerExited(trial=trial, ok=False, reason=f"reason {seq}"),
            ev.TrialEnded(trial=trial, value=chance.random()),
            ev.Requested(id=str(seq), op="stop"),
            ev.Decision(rule="r", verdict="stop", said=f"said {seq}"),
            ev.Alert(text=f"text {seq}"),
            ev.TrialEnqueued(),
            ev.PruneRequested(trial=trial, user="ann"),
            ev.HoldoutScored(trial=trial, metrics={"1": {}}),
            ev.RunEnded(state="STOPPED"),
        ]
    )


@pytest.fixture(params=range(5))
def written(request, tmp_path, monkeypatch):
    """A log of two hundred such events with some damage, and marks that are close together."""
    monkeypatch.setattr(states, "EVERY", 16)
    chance = random.Random(request.param)
    path = tmp_path / "events.jsonl"
    lines = [encode(Stamped(1, 1.0, ev.RunStarted(run="r", n_trials=4, max_epochs=9)))]
    lines += [encode(Stamped(n, 1.0 + n, anything(chance, n))) for n in range(2, 201)]
    for place in chance.sample(range(5, 195), 5):
        lines[place] = '{"seq": "torn'
    path.write_text("\n".join(lines) + "\n" + '{"seq":201,"t":1')
    return path, chance


def test_the_state_after_any_event_is_the_fold_up_to_it(written):
    path, chance = written
    every = list(read_events(path))
    found = States(path, fold(every))
    order = [chance.randrange(1, 201) for _ in range(60)] + [200, 199, 198, 1, 200]
    kept = {}
    for seq in order:
        state = found.after(seq)
        assert state == fold(stamped for stamped in every if stamped.seq <= seq)
        kept[seq] = state
    for seq, state in kept.items():  # nobody changed them afterwards
        assert state == fold(stamped for stamped in every if stamped.seq <= seq)


def test_the_state_after_the_last_event_is_the_live_one(live):
    state = load(live)
    states = States(live.events, state)
    assert states.after(state.seq) == state
    assert states.following is None


def test_slices_of_time_come_to_the_same_end(written):
    path, _ = written
    found, slices = States(path, State()), 1
    while (state := found.after(200, seconds=0.0)) is None:
        slices += 1
    assert slices > 1 and state == fold(read_events(path))


def test_epochs_are_kept_once(live):
    known = load(live)
    state = States(live.events, known).after(known.seq)
    assert state.trials[1] is not known.trials[1]
    pairs = zip(state.trials[1].epochs, known.trials[1].epochs, strict=True)
    assert all(mine is theirs for mine, theirs in pairs)


def test_an_epoch_that_the_live_state_has_otherwise_is_not_mixed_up(live):
    other = load(live)
    other.trials[1].epochs[0].seconds = 99.0
    state = States(live.events, other).after(other.seq)
    assert state == load(live)


def test_a_step_back_reads_a_bounded_part_of_the_log(live, monkeypatch):
    monkeypatch.setattr(states, "EVERY", 16)
    found = States(live.events, State())
    last = load(live).seq
    found.after(last)
    read = []
    real = states.decoded
    monkeypatch.setattr(states, "decoded", lambda line: read.append(line) or real(line))
    for seq in range(last, 1, -1):
        read.clear()
        assert found.after(seq).seq == seq
        assert len(read) <= 17


def test_a_log_that_is_gone_is_an_error_that_is_said(live):
    live.events.unlink()
    with pytest.raises(OSError, match=r"events\.jsonl"):
        States(live.events, State()).after(3)


def test_a_failed_run_is_rewound_like_any_other(book):
    run = tui_run.new_run(book, book.stage("dry"))
    tui_run.begin_trial(run, 0)
    tui_run.end_trial(run, 0, "FAIL", None, "no memory")
    tui_run.end_run(run, "FAILED", "no trial completed")
    every = list(read_events(run.events))
    found = States(run.events, load(run))
    for stamped in reversed(every):
        state = found.after(stamped.seq)
        assert state == fold(every[: stamped.seq])
        then = Then(state, state.t, found.following).status(run.holder())
        assert then.name == ("FAILED" if stamped is every[-1] else "RUNNING")


def test_the_screen_and_the_command_agree_on_what_a_run_was_doing(book):
    """An engine died after its first trial; a second one took over."""
    run = tui_run.new_run(book, book.stage("dry"))
    tui_run.begin_trial(run, 0)
    with Journal(run.events) as journal:
        journal.append(ev.EngineStarted(pid=4200, start_time=2.0, host=""))
    tui_run.end_trial(run, 0, "COMPLETE", 0.02)
    found, seen = States(run.events, load(run)), []
    for stamped in read_events(run.events):
        state = found.after(stamped.seq)
        on_screen = Then(state, state.t, found.following).status(Holder.NOBODY)
        assert on_screen == state_then(run, seq=stamped.seq).status(Holder.NOBODY)
        seen.append(on_screen.name)
    assert seen.count("DIED") == 2, "before the second engine, and at the end of the log"
