"""Numbers from what a program prints, and what a trial is called by."""

import pytest

from atft_core.command.files import scripts
from atft_core.command.listen import Ear
from atft_core.config.command import CommandConfig
from atft_core.config.hashing import config_hash
from atft_core.config.load import resolve, with_values
from atft_core.config.schema import Config
from atft_core.errors import ConfigError, NonFiniteLossError
from atft_core.run.epochs import epoch_row

LINE = r"epoch (?P<epoch>\d+): loss (?P<train_loss>\S+) ic (?P<ic>\S+)"


def heard(lines, **command):
    ear = Ear(CommandConfig(argv=("x",), **{"value": "ic", **command}), 1)
    rows = [row for line in lines if (row := ear.hear(line))]
    last = ear.rest()
    return [(r["epoch"], r["train"], r["val"]) for r in [*rows, *([last] if last else [])]]


def test_a_line_with_an_epoch_ends_it():
    lines = ["hello", "epoch 1: loss 0.5 ic 0.02", "epoch 2: loss 4e-1, ic 3%"]
    assert heard(lines, patterns=(LINE,)) == [
        (1, {"loss": 0.5}, {"1": {"ic": 0.02}}), (2, {"loss": 0.4}, {"1": {"ic": 3.0}}),
    ]  # fmt: skip


def test_what_is_told_before_belongs_to_it():
    patterns = (r"ic=(?P<ic>\S+)", r"h5=(?P<h5_ic>\S+)", r"done (?P<epoch>\d+)")
    lines = ["ic=0.1", "h5=0.2", "done 1", "ic=0.3", "done 2", "ic=9"]
    assert heard(lines, patterns=patterns) == [
        (1, {}, {"1": {"ic": 0.1}, "5": {"ic": 0.2}}), (2, {}, {"1": {"ic": 0.3}}),
    ]  # fmt: skip


def test_epochs_may_begin_with_their_number():
    patterns = (r"Epoch (?P<epoch>\d+)", r"ic=(?P<val_ic>\S+)")
    lines = ["Epoch 1", "ic=0.1", "Epoch 2", "Epoch 2", "ic=0.3"]
    found = heard(lines, patterns=patterns, epoch="begins")
    assert [(epoch, val["1"]) for epoch, _, val in found] == [(1, {"ic": 0.1}), (2, {"ic": 0.3})]


def test_json_lines_need_no_pattern():
    lines = ['{"epoch": 3, "train/loss": 0.5, "val.ic": 0.1, "n": 20, "ok": true, "name": "x"}',
             "{broken", "[1, 2]", '{"a": {"b": 1}}']  # fmt: skip
    assert heard(lines) == [(3, {"loss": 0.5}, {"1": {"ic": 0.1, "n": 20}})]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_a_trial_is_judged_by_cannot_be_nan(text):
    with pytest.raises(NonFiniteLossError, match=rf"ic is {text} at epoch 1"):
        heard([f"epoch 1: loss 0.5 ic {text}"], patterns=(LINE,))
    with pytest.raises(NonFiniteLossError, match="loss is"):
        heard([f"epoch 1: loss {text} ic 0.5"], patterns=(LINE,))
    other = heard([f"epoch 1: loss .5 ic {text}"], patterns=(LINE,), value="auc")
    assert other == [(1, {"loss": 0.5}, {"1": {}})]


@pytest.mark.parametrize("epoch", ["ends", "begins"])
def test_epochs_may_be_counted_from_0(epoch):
    patterns = (r"epoch (?P<epoch>\d+)", r"ic=(?P<ic>\S+)")
    ends = ["ic=0.1", "epoch 0", "ic=0.2", "epoch 1"]
    begins = ["epoch 0", "ic=0.1", "epoch 1", "ic=0.2"]
    lines = ends if epoch == "ends" else begins
    found = heard(lines, patterns=patterns, epoch=epoch)
    assert [(n, val["1"]["ic"]) for n, _, val in found] == [(1, 0.1), (2, 0.2)]


def test_a_program_that_goes_on_counts_as_it_did_before():
    ear = Ear(CommandConfig(argv=("x",), patterns=(LINE,), value="ic"), 1, 0)
    assert ear.hear("epoch 3: loss 1 ic 2")["epoch"] == 4


def test_a_program_may_print_anything():
    lines = ["\x00\x1b]52;", "epoch 99999999999999999999: loss x ic y", "{" * 9999, '{"a":1e999}',
             *(f'{{"m{i}": {i}}}' for i in range(500)), '{"epoch": 1}']  # fmt: skip
    rows = heard(lines, patterns=(LINE,))
    assert rows[-1][0] == 1 and len(rows[-1][2]["1"]) <= 200


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"argv": ["a", "{nothing}"]}, r"\{nothing\} stands for nothing; there are epochs, trial"),
        ({"argv": ["{epochs:999999999}"]}, "stands by itself, without a format"),
        ({"argv": ["{"]}, "write {{ for a brace"),
        ({"patterns": ["(?P<x"]}, "is no regular expression"),
        ({"patterns": ["x"]}, "has no named group"),
        ({"value": "a b"}, "value"),
        ({"params": {"seed": 3}}, r"\{seed\} stands for what the trial has"),
    ],
)
def test_a_command_that_cannot_be_is_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        with_values(Config(), {f"command.{key}": value for key, value in values.items()})


def test_a_program_is_not_searched_for_the_settings_of_our_model():
    assert Config().search
    typed = ['command.argv=["x", "{lr}"]', "command.params={lr=0.1}"]
    assert resolve(assignments=typed, environ={}).config.search == {}
    found = resolve(assignments=[*typed, "search.command.params.lr=0.01..1,log"], environ={}).config
    assert list(found.search) == ["command.params.lr"]
    again = with_values(found, {"command.params.lr": 0.5})
    assert again.command.params == {"lr": 0.5}


@pytest.mark.parametrize("key", ["model.hidden", "command.params.lr", "train.seed"])
def test_what_is_searched_has_to_reach_the_program(key):
    values = {"command.argv": ["x"], "command.params": {"lr": 0.1}}
    with pytest.raises(ConfigError, match=f"never told {key}, which is searched"):
        with_values(Config(), {**values, "search": {key: {"choices": [1, 2]}}})
    told = {**values, "command.argv": ["x", "{lr}", "{seed}"]}
    if key != "model.hidden":
        with_values(Config(), {**told, "search": {key: {"choices": [1, 2]}}})


def test_another_program_is_another_experiment():
    one, other = (
        config_hash(with_values(Config(), {"command.argv": ["python", "-m", name], "search": {}}))
        for name in ("toy", "real")
    )
    assert one != other


def test_text_that_is_a_program_is_no_file():
    assert scripts(["python", "-c", "import os. " * 400]) == []


def test_what_is_smaller_when_better_is_negated():
    row = epoch_row({"epoch": 1, "t": 0.0, "seconds": 1.0, "batches": 0, "batches_available": 0,
                     "time": {}, "train": {}, "val": {"1": {"loss": .5}}, "gpu": None})  # fmt: skip
    assert (row.objective("loss", 1), row.objective("-loss", 1)) == (0.5, -0.5)
    assert row.objective("-ic", 1) is None
