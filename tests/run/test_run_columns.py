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
        facts=st.sampled_from([None, {}, {"a": 1}]),
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
        [[0, 5], [12, 5]], [[True, 5], [11, 5]], [[12, 1e300]], [[10**15, 5]], [[12]], [12], 12,
        None,
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
    with pytest.raises(ValueError, match=r"Row.said is not 12 values"):
        list(rows_of(Row, columns, NAMES, 12))
    monkeypatch.setattr("atft_core.run.columns.MOST_TEXT", 100)
    wide = [replace(SAME[0], said="x" * 99)] * 12
    assert as_columns(wide)["said"] == ["x" * 99] * 12
    assert len(list(rows_of(Row, as_columns(wide), NAMES, 12))) == 12


def test_lists_of_other_lengths_are_refused():
    rows = [replace(SAME[0], number=number) for number in range(12)]
    columns = as_columns(rows)
    for wrong in (columns["number"][:-1], [*columns["number"], 5]):
        with pytest.raises(ValueError, match=r"zip\(\)"):
            list(rows_of(Row, {**columns, "number": wrong}, NAMES, 12))


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
