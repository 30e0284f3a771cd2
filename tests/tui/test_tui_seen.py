"""Coming back: what happened since this person left, in one line and as the whole story."""

import json
from dataclasses import replace

import pytest
import tui_run
from tui_console import SMALL, WIDE, console

from atft_core.run import events as ev
from atft_core.run.events import Stamped, encode
from atft_core.run.files import write_json
from atft_core.run.journal import Journal, read_events
from atft_core.run.moments import Teller
from atft_core.run.status import load, read_status
from atft_core.run.timeline import Timeline
from atft_tui import seen
from atft_tui.follow import Follower
from atft_tui.screens.console import fitting
from atft_tui.seen import Left
from atft_tui.view import View


def picture(book, run):
    state, status = read_status(run)
    return View(0.0, book, run=run, state=state, status=status)


def news(book, run, left):
    timeline = Timeline(run.events)
    timeline.read()
    found = seen.news(left, timeline, picture(book, run))
    return found.said if found else ()


def test_nothing_new_is_no_news(book, finished):
    assert seen.left(finished) is None, "never seen before"
    seen.remember(picture(book, finished))
    assert news(book, finished, seen.left(finished)) == ()


def test_news_are_what_happened_after_the_last_look(book, live):
    seen.remember(picture(book, live))
    left = replace(seen.left(live), verdict="data-bound")
    tui_run.end_trial(live, 3, "COMPLETE", 0.052)
    with Journal(live.events) as journal:
        journal.append(ev.Alert(text="the disk is nearly full"))
        journal.append(ev.Requested(id="1", op="stop", user="ann", ok=True, message="stops now"))
    tui_run.end_run(live)
    assert news(book, live, left) == (
        "the run is FINISHED",
        "trial 3 ended",
        "best .046 -> .052",
        "1 alert",
        "stop by ann obeyed",
    )


def test_another_verdict_is_news(book, live):
    from atft_core.run.verdict.diagnose import Diagnosis

    left = Left(load(live).seq, 0.0, verdict="data-bound", status="RUNNING")
    now = replace(picture(book, live), diagnosis=Diagnosis("compute-bound", "", ""))
    assert "verdict data-bound -> compute-bound" in seen.news(left, Timeline(live.events), now).said
    same = replace(left, verdict="compute-bound")
    assert "verdict" not in str(seen.news(same, Timeline(live.events), now))


def test_a_run_that_died_without_a_word_is_news(book, live):
    left = Left(load(live).seq, 0.0, status="RUNNING")
    state = load(live)
    from atft_core.run.status import Status

    now = View(0.0, book, run=live, state=state, status=Status("DIED"))
    assert seen.news(left, Timeline(live.events), now).said == ("the run is DIED",)


def trials(run, *ends):
    """Trials from 10 on that ended so."""
    with Journal(run.events) as journal:
        for number, state in enumerate(ends, start=10):
            journal.append(ev.TrialEnded(trial=number, state=state))


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["COMPLETE"], "trial 10 ended"),
        (["FAIL"], "trial 10 failed"),
        (["COMPLETE", "PRUNED"], "trials 10, 11 ended"),
        (["COMPLETE", "FAIL"], "trials 10, 11 ended (1 failed: 11)"),
        (["COMPLETE"] * 9 + ["FAIL"] * 3, "12 trials ended (3 failed: 19, 20, 21)"),
        (["FAIL"] * 9, "9 trials failed"),
        (["PRUNED"] + ["FAIL"] * 8, "9 trials ended (8 failed: 11, 12, 13, 14, ...)"),
    ],
)
def test_long_lists_are_summarised(book, live, ends, said):
    left = Left(load(live).seq, 0.0)
    trials(live, *ends)
    assert news(book, live, left) == (said,)


def test_several_requests_are_counted(book, live):
    left = Left(load(live).seq, 0.0)
    with Journal(live.events) as journal:
        for n, ok in enumerate([True, False, True]):
            journal.append(ev.Requested(id=str(n), op="prune", user="bob", ok=ok))
        journal.append(ev.WorkerExited(trial=3, ok=False, reason="signal 9"))
    assert news(book, live, left) == ("1 worker lost", "3 requests (1 refused)")


def test_another_run_in_the_same_place_is_not_taken_for_it(book, finished):
    seen.remember(picture(book, finished))
    write_json(finished.run_json, finished.facts() | {"created": 5.0})
    assert seen.left(finished) is None


@pytest.mark.parametrize(
    "known", [[], {"seq": "x"}, {"seq": 3}, {"seq": 3, "t": "late"}, {"seq": 3, "t": float("nan")}]
)
def test_a_memory_that_is_damaged_is_none(finished, home, known):
    seen.store().parent.mkdir(parents=True)
    seen.store().write_text(json.dumps({str(finished.path.resolve()): known}))
    assert seen.left(finished) is None


def test_what_is_most_important_fits_first_and_the_rest_is_a_key_away():
    said = ("the run is DIED", "12 trials ended (3 failed: 4, 9, 11)", "best .031 -> .043")
    assert fitting(said, 100) == "; ".join(said) + "  (t: all)"
    assert fitting(said, 70) == f"{said[0]}; {said[1]}; ... (t: all)"
    assert fitting(said, 35) == f"{said[0]}; ... (t: all)"
    assert fitting(said, 9) == "the run …"


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=str)
async def test_the_line_fits_and_the_timeline_marks_what_is_new(book, live, size):
    async with console(book, live.path, size=size):
        pass
    before = len(tell(live))
    trials(live, *["COMPLETE"] * 9, *["FAIL"] * 3)
    async with console(book, live.path, size=size) as shown:
        await shown.shows("12 trials ended (3 failed: 19, 20, 21)")
        line = next(line for line in shown.lines if "since you left" in line)
        assert line.rstrip().endswith("(t: all)") and len(line) == size[0]
        await shown.press("t")
        await shown.on("TimelineScreen")
        await shown.shows("12 since you left (+)")
        assert shown.pane("moments").cursor == str(before)
        rows = shown.pane("moments").text.splitlines()[1:]
        assert [row.lstrip("> ")[0] == "+" for row in rows] == [False] * before + [True] * 12


def tell(run):
    teller = Teller()
    return [moment for stamped in read_events(run.events) for moment in teller.tell(stamped)]


def test_a_log_of_many_megabytes_is_told_after_the_first_picture(book, live):
    """The past is read in slices: what there is to see does not wait for it."""
    seen.remember(picture(book, live))
    seq = load(live).seq
    with live.events.open("a") as file:
        for n in range(seq + 1, seq + 120_000):
            progress = ev.Progress(trial=3, worker_seq=n, epoch=8, phase="train" * 60)
            file.write(encode(Stamped(n, 1.0, progress)) + "\n")
    tui_run.end_trial(live, 3, "FAIL", None, "no memory")
    assert live.events.stat().st_size > 32 << 20
    views = []
    follower = Follower(book, live.path, views.append)
    follower.look()
    first = next(view for view in views if not view.reading)
    assert first.state.trials[3].state == "FAIL" and first.since is None
    while views[-1].moments.share < 1.0:
        follower.look()
    assert views[-1].since.said[0] == "trial 3 failed"
