"""A misspelt metric is said after the first epoch, not after the night."""

from dataclasses import replace

from atft_core.engine.untold import untold
from atft_core.run.epochs import EpochRow
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_core.run.stages import CriterionSpec
from atft_core.run.state import State

STAGE = load(shipped("runbook.toml")).stage("dry")


def said(*names, objective="ic", horizon=None):
    asked = tuple(
        CriterionSpec(name, name, "model", minimum=0.0, horizon=horizon) for name in names
    )
    row = EpochRow(1, 0.0, 1.0, 1, 1, {}, {}, {"1": {"ic": 0.1, "acc": None}}, None)
    state = State(objective=objective, horizon=1)
    return list(untold(state, replace(STAGE, criteria=asked), row))


def test_what_is_told_is_no_trouble():
    assert said("above.acc", "below.ic", "val_rank_ic", objective="-ic") == []


def test_what_is_not_told_is_named_with_who_waits_for_it():
    assert said("above.acc", "below.los", objective="rank_ic") == [
        "no number was told for rank_ic at horizon 1, which the study is about; there are acc, ic",
        "no number was told for los at horizon 1, which criterion below.los asks for; "
        "there are acc, ic",
    ]
    assert said("above.ic", horizon=5) == [
        "no number was told for ic at horizon 5, which criterion above.ic asks for; there are none"
    ]


def test_an_ad_hoc_run_has_an_objective_too():
    row = EpochRow(1, 0.0, 1.0, 1, 1, {}, {}, {}, None)
    (text,) = untold(State(objective="-loss"), None, row)
    assert text.startswith("no number was told for loss at horizon 1")
