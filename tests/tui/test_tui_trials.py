"""The trial table: filters, order, columns, marks, comparison, and what is asked of the engine."""

import pytest
import tui_run
from textual import events
from tui_console import SMALL, console

from atft_core.run.epochs import EpochRow
from atft_core.run.notes import Note, Notes
from atft_core.run.state import State, Trial
from atft_tui.trial_table import (
    USUAL,
    Choice,
    columns,
    in_order,
    near_best,
    next_order,
    noise_bound,
    parse,
)


def trial(number, state="COMPLETE", rank_ic=None, se=0.01, reason="", **params):
    found = {} if rank_ic is None else {"1": {"rank_ic": rank_ic, "rank_ic_se": se, "days": 250}}
    row = EpochRow(1, 1.0, 10.0 + number, 9, 9, {}, {}, found, None)
    made = {"lr": "train.learning_rate", "hidden": "model.hidden"}
    return Trial(number, state=state, value=rank_ic, reason=reason, epochs=[row],
                 params={made[key]: value for key, value in params.items()})  # fmt: skip


@pytest.fixture
def state():
    trials = [
        trial(0, rank_ic=0.030, lr=1e-3, hidden=64), trial(1, rank_ic=0.045, lr=3e-3, hidden=64),
        trial(2, "PRUNED", 0.010, reason="below the median", lr=1e-4, hidden=128),
        trial(3, "FAIL", reason="loss is NaN", lr=1e-2, hidden=32),
        trial(4, "RUNNING", 0.020, lr=2e-3, hidden=32),
        trial(10, rank_ic=-0.02, lr=1e-3, hidden=64),
    ]  # fmt: skip
    return State(trials={each.number: each for each in trials}, max_epochs=5)


def kept(state, text):
    known = columns(state)
    return [t.number for t in in_order(state, Choice(filter=parse(text, known)), known)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [4, 1, 0, 10, 2, 3]),
        ("done", [1, 0, 10]),
        ("COMPLETE", [1, 0, 10]),
        ("complete", [1, 0, 10]),
        ("state:done RankIC>.02", [1, 0]),
        ("state:complete RankIC>.02", [1, 0]),
        ("state:COMPLETE", [1, 0, 10]),
        ("state=done", [1, 0, 10]),
        ("state=COMPLETE", [1, 0, 10]),
        ("state!=complete", [4, 2, 3]),
        ("-state:complete", [4, 2, 3]),
        ("state=FAIL", [3]),
        ("state=failed", [3]),
        ("state=RUNNING", [4]),
        ("state=runs", [4]),
        ("state=pruned", [2]),
        ("rank_ic<0", [10]),
        ("lr>=1e-3 -done", [4, 3]),
        ("!hidden=64", [4, 2, 3]),
        ("model.hidden=32", [4, 3]),
        ("learning_rate=0.001", [0, 10]),
        ("nan", [3]),
        ("median", [2]),
        ("near:yes", [1, 0]),
        ("#=10", [10]),
        ("s/ep>13", [4, 10]),
        ("done done", [1, 0, 10]),
    ],
)
def test_a_filter_keeps_what_it_says(state, text, numbers):
    assert kept(state, text) == numbers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("nothing>3", "no column nothing"), ("lr>abc", "'abc' is no number"), ("'open", "quotation")],
)
def test_a_bad_filter_says_what_is_bad(state, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse(text, columns(state))


def numbers(state, **choice):
    return [t.number for t in in_order(state, Choice(**choice))]


def test_the_order_is_by_any_column_with_unknown_values_last(state):
    assert numbers(state, order="rank_ic") == [1, 0, 4, 2, 10, 3]
    assert numbers(state, order="rank_ic", ascending=True) == [10, 2, 4, 0, 1, 3]
    assert numbers(state, order="number") == [10, 4, 3, 2, 1, 0]
    assert numbers(state, order="state", ascending=True)[:3] == [0, 1, 10]
    assert numbers(state, order="gone") == numbers(state)


def test_sorting_goes_through_the_columns_and_back_to_the_usual_order():
    names = ["number", "rank_ic"]
    assert next_order(USUAL, names, 1).order == "number"
    assert next_order(Choice(order="rank_ic"), names, 1).order == ""
    assert next_order(Choice(order="gone"), names, 1).order == "number"


def test_within_the_noise_of_the_best_means_by_its_error(state):
    bound = noise_bound(state)
    assert bound == pytest.approx(0.045 - 0.01645, abs=1e-5)
    near = [t.number for t in state.trials.values() if near_best(t, state, bound)]
    assert near == [0, 1]
    assert noise_bound(State()) is None


# In the console.


async def test_keys_sort_filter_mark_and_compare(book, live):
    async with console(book, live.path) as shown:
        await shown.shows("pruned")
        await shown.press("o")
        assert "by #" in shown.said("trials")
        await shown.press("O")
        assert "up" in shown.said("trials").splitlines()[0]
        await shown.press("slash")
        await shown.type("pruned")
        await shown.press("enter")
        table = shown.said("trials")
        assert "/pruned/ 1 of" in table and "done" not in table
        await shown.press("slash")
        await shown.press("ctrl+u")
        await shown.type("x>1")
        await shown.press("enter")
        assert "no column x" in shown.text
        await shown.press("escape", "slash", "ctrl+u", "enter")
        await shown.press("home", "space", "space")
        assert "marked" in shown.said("trials")
        assert "marked: " in shown.said("curves")
        await shown.press("c")
        await shown.on("CompareScreen")
        said = shown.said("facts")
        assert "val RankIC" in said and "what differs" in said
        assert "train.learning_rate" in said and "model.hidden" not in said
        await shown.press("escape")
        await shown.on("ConsoleScreen")


async def test_columns_are_hidden_and_come_back(book, live):
    async with console(book, live.path) as shown:
        await shown.shows("pruned")
        assert " s/ep" in shown.said("trials")
        await shown.press("v")
        await shown.on("ColumnsScreen")
        await shown.press("down", "down", "down", "down", "down", "down", "enter", "escape")
        await shown.on("ConsoleScreen")
        assert " s/ep" not in shown.said("trials")


async def test_reasons_stand_beside_trials_that_were_given_up(book, live):
    async with console(book, live.path, size=(300, 60)) as shown:
        await shown.shows("pruned")
        assert "below the median" in shown.said("trials")


async def test_only_a_running_trial_is_given_up_and_a_dead_run_gets_no_more(book, finished):
    async with console(book, finished.path) as shown:
        await shown.press("p")
        assert "only a running trial can be given up" in shown.notices()[-1]
        await shown.press("n")
        assert "a trial can be added to a running sweep" in shown.notices()[-1]
        await shown.press("c")
        assert "mark a trial" in shown.notices()[-1]


async def test_ten_thousand_trials_are_drawn_where_they_are_seen(book, home):
    run = tui_run.new_run(book, book.stage("full"))
    state = State(trials={n: trial(n, rank_ic=n / 1e6, lr=1e-3) for n in range(10_000)})
    async with console(book, run.path, size=SMALL) as shown:
        pane = shown.pane("trials")
        pane.show(shown.app.view.__class__(0.0, book, run=run, state=state))
        made = len(pane._rows._made)
        await shown.press("end")
        assert pane.cursor == "0"
        await shown.press("home", "down")
        assert pane.cursor == "9998"
        assert made < 100 and len(pane._rows._made) < 300
        assert shown.drawn("trials")[1].split()[:2] != []


async def test_marks_are_of_one_run(book, finished, live):
    async with console(book, live.path) as shown:
        await shown.press("space")
        assert shown.pane("trials").marked
        shown.app._follower.show(finished.path)
        await shown.until(lambda: shown.app.view.run.path == finished.path)
        await shown.until(lambda: not shown.pane("trials").marked)
        await shown.until(lambda: not shown.pane("curves").chosen)


async def test_keys_in_a_text_field_take_effect_in_their_order(book, live):
    async with console(book, live.path) as shown:
        await shown.press("slash", *"abc")
        field = shown.app.screen.query_one("#answer")
        for keys, text in (("backspace d", "abd"), ("home X", "Xabd"), ("end Y", "XabdY"),
                           ("ctrl+u r a", "ra")):  # fmt: skip
            for key in keys.split():  # in one packet: none waits for the one before
                character = key if len(key) == 1 else None
                shown.app.post_message(events.Key(key, character))
            await shown.pilot.pause()
            assert field.value == text


def test_every_column_says_what_it_is(state):
    notes = Notes(trials={1: Note("looks good")})
    assert [column.name for column in columns(state, notes) if not column.says] == []


def test_of_another_objective_the_table_shows_what_its_program_tells():
    trials = {n: trial(n) for n in range(2)}
    for number, each in trials.items():
        each.epochs[-1].val["1"] = {"loss": 0.5 - number / 10, "loss_se": 0.01, "accuracy": 0.6}
        each.value = -each.epochs[-1].val["1"]["loss"]
    state = State(trials=trials, objective="-loss", n_trials=2, max_epochs=1)
    heads = [column.head for column in columns(state)]
    assert heads[:5] == ["#", "state", "ep", "loss", "+-"] and "accura" in heads
    assert not {"RankIC", "IC", "t", "sign"} & set(heads)
    assert [t.number for t in in_order(state)] == [1, 0], "the smaller loss first"
    (value,) = [column for column in columns(state) if column.name == "value"]
    assert [(value.cell(t), value.value(t)) for t in trials.values()] == [
        (".500", 0.5), (".400", 0.4),
    ], "as people know it"  # fmt: skip
    assert kept(state, "value<.45") == [1]
    names = [column.name for column in columns(State(trials=trials, objective="ic"))]
    assert (names.count("ic"), names.count("ic_se")) == (1, 1)
    assert noise_bound(state) == pytest.approx(-0.4 - 0.01645, abs=1e-5)
