"""Looks at the holdout are counted by data, outside every run."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from atft_core.engine.holdout import _enter, count_looks, ledger, look
from atft_core.errors import UsageError
from atft_core.run.directory import create


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def test_looks_are_counted_per_data_and_damaged_lines_are_none(home):
    assert ledger() == home / "state" / "atft" / "holdout.jsonl"
    assert count_looks("a") == 0
    ledger().parent.mkdir(parents=True)
    lines = [json.dumps({"data_hash": name}) for name in ("a", "b", "a")]
    ledger().write_text(
        "\n".join([*lines, "{", "[]", "null", "[" * 100_000, '{"run": "x"}', '{"data_hash": "a"'])
    )
    assert (count_looks("a"), count_looks("b"), count_looks("c")) == (2, 1, 0)


def test_looks_that_are_made_at_once_are_told_apart_and_a_torn_line_takes_none_with_it(home):
    run = create(home / "out")
    ledger().parent.mkdir(parents=True)
    ledger().write_text('{"data_hash": "a"')
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda trial: _enter("a", run, trial), range(40)))
    assert sorted(looks) == list(range(1, 41))
    assert count_looks("a") == 40


def test_a_trial_that_the_log_does_not_know_is_not_scored(home):
    run = create(home / "out")
    run.events.touch()
    with pytest.raises(UsageError, match=r"Trial 0 of .* is unknown; only a complete trial"):
        look(run, 0)
    assert not ledger().exists()
