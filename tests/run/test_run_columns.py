"""Columns hold what was put in, and nothing else is taken for it."""

import json
from dataclasses import asdict, dataclass, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_builders import sweep, written

from atft_core.run import events as ev
from atft_core.run.columns import MOST_TEXT, packed, rows_of
from atft_core.run.fold import apply, fold
from atft_core.run.journal import read_events
from atft_core.run.snapshot import load_start, save
from atft_core.run.state import Trial


@dataclass(frozen=True)
class Row:
    number: int
    said: str = ""
    value: float | None = None
    facts: dict[str, int] | None = None


NAMES = [field.name for field in fields(Row)]
ROWS = st.lists(
    st.builds(
        Row,
        number=st.integers(-3, 3),
        said=st.sampled_from(["", "", "", "lost"]),
        value=st.sampled_from([None, None, 0.5]),
        facts=st.sampled_from([None, {}, {"a": 1}, {"a": 1, "b": 2}]),
    ),
    max_size=40,
)


def as_columns(rows):
    columns = {name: packed([asdict(row)[name] for row in rows]) for name in NAMES}
    return json.loads(json.dumps(columns))


@given(ROWS)
def test_rows_come_back_as_they_were(rows):
    assert [Row(**row) for row in rows_of(Row, as_columns(rows), NAMES, len(rows))] == rows


def test_equal_neighbours_are_written_once_and_types_are_told_apart():
    assert packed([7] * 1000) == {"runs": [[1000, 7]]}
    assert packed([1, 2, 3, 4]) == [1, 2, 3, 4]
    mixed = [1] * 8 + [1.0] * 8 + [True] * 8
    runs = packed(mixed)["runs"]
    assert [(many, type(value)) for many, value in runs] == [(8, int), (8, float), (8, bool)]


@pytest.mark.parametrize("pair", [(1, True), (1, 1.0), (0.0, -0.0)])
def test_types_are_told_apart_within_a_dict_too(pair):
    mixed = [{"a": pair[0]}] * 8 + [{"a": pair[1]}] * 8
    assert [repr(value["a"]) for _, value in packed(mixed)["runs"]] == list(map(repr, pair))


SAME = [Row(5, "x", 0.5, {"a": 1})] * 12


@pytest.mark.parametrize(
    "runs",
    [
        [], [[12, "5"]], [[11, 5]], [[13, 5]], [[12.0, 5]], [["12", 5]], [[-1, 5], [13, 5]],
        [["x" * 10**5, "y" * 10**6]], [[-(10**9), 5], [10**9 + 12, 5]], [[0, 5], [12, 5]],
        [[True, 5], [11, 5]], [[12, 1e300]], [[10**15, 5]], [[12]], [12], 12, None,
    ],
)  # fmt: skip
def test_runs_of_other_lengths_or_types_are_refused(runs):
    columns = as_columns(SAME)
    assert columns["number"] == {"runs": [[12, 5]]}
    columns["number"] = {"runs": runs}
    with pytest.raises((ValueError, TypeError)):
        list(rows_of(Row, columns, NAMES, 12))


def test_what_would_be_too_much_written_out_is_refused_and_never_written(monkeypatch):
    columns = as_columns(SAME)
    assert columns["said"] == {"runs": [[12, "x"]]}
    columns["said"] = {"runs": [[12, "x" * MOST_TEXT]]}
    with pytest.raises(ValueError, match=r"Row.said would be too much"):
        list(rows_of(Row, columns, NAMES, 12))
    monkeypatch.setattr("atft_core.run.columns.MOST_TEXT", 100)
    wide = [replace(SAME[0], said="x" * 99)] * 12
    assert as_columns(wide)["said"] == ["x" * 99] * 12
    assert len(list(rows_of(Row, as_columns(wide), NAMES, 12))) == 12


OBJECTS = [{"pid": pid, "loss": {"rank_ic": 0.5}, "feed": "resident"} for pid in range(12)]


def test_objects_with_the_same_keys_are_columns_themselves():
    assert packed(OBJECTS) == {
        "keys": {
            "pid": list(range(12)),
            "loss": {"runs": [[12, {"rank_ic": 0.5}]]},
            "feed": {"runs": [[12, "resident"]]},
        }
    }
    reordered = [dict(reversed(OBJECTS[0].items())), *OBJECTS[1:]]
    for other in ([*OBJECTS[1:], {}], [*OBJECTS[1:], None], [*OBJECTS[1:], {"pid": 1}], reordered):
        assert packed(other) == other


@given(st.lists(st.fixed_dictionaries({"a": st.sampled_from([1, True, 1.0]), "b": st.integers()})))
def test_objects_come_back_as_they_were(values):
    columns = json.loads(json.dumps({"settings": packed(values)}))
    back = rows_of(Trial, columns, ["settings"], len(values))
    assert repr([row["settings"] for row in back]) == repr(values)


@pytest.mark.parametrize(
    "keys",
    [
        {}, [], None, {"a": [1] * 11}, {"a": [1]}, {"a": ["1"] * 12}, {"a": [1] * 12, "b": [2]},
        {"a": {"runs": [[11, 1]]}}, {"a": {"keys": {"b": [1] * 12}}}, {"a": 1}, {"a": None},
    ],
)  # fmt: skip
def test_keys_with_other_columns_are_refused(keys):
    columns = {**as_columns(SAME), "facts": {"keys": keys}}
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        list(rows_of(Row, columns, NAMES, 12))


def test_a_text_that_is_called_as_columns_are_is_a_text():
    rows = [Row(number, said=said) for number, said in enumerate(["keys", "runs", "a", "b", "c"])]
    assert [Row(**row) for row in rows_of(Row, as_columns(rows), NAMES, len(rows))] == rows


def test_keys_that_would_be_too_much_together_are_refused(monkeypatch):
    monkeypatch.setattr("atft_core.run.columns.MOST_TEXT", 12 * 100 * 50)
    keys = {f"a{number}": {"runs": [[12, 1]]} for number in range(100)}
    with pytest.raises(ValueError, match=r"Row.facts would be too much"):
        list(rows_of(Row, {**as_columns(SAME), "facts": {"keys": keys}}, NAMES, 12))
    wide = [{f"a{number}": 1 for number in range(100)} | {"b": n} for n in range(12)]
    assert packed(wide) == wide


def test_lists_of_other_lengths_are_refused():
    rows = [replace(SAME[0], number=number) for number in range(12)]
    columns = as_columns(rows)
    for wrong in (columns["number"][:-1], [*columns["number"], 5]):
        with pytest.raises(ValueError, match=r"Row.number is not 12 values"):
            list(rows_of(Row, {**columns, "number": wrong}, NAMES, 12))
    with pytest.raises(ValueError, match=r"Row.number is not 12 values"):
        list(rows_of(Row, {**columns, "number": [5]}, NAMES, 12))


def test_trials_that_a_snapshot_said_at_once_go_on_apart(tmp_path):
    log = sweep([0.01] * 8, end="")
    run = written(log, tmp_path / "run")
    state = fold(read_events(run.events))
    save(run, state)
    state = load_start(run).state
    assert state.trials[0].settings == state.trials[1].settings
    earlier = state.trials[0].copy()
    log.add(ev.WorkerExited(trial=0, ok=False, reason="killed"))
    apply(state, log.stamped[-1])
    assert state.trials[0].mishaps == ["killed"]
    assert {len(trial.mishaps) for trial in (earlier, *list(state.trials.values())[1:])} == {0}
