"""`atft preflight`: the checks of a run, without one."""

import json

import pytest
from drill import FAST, atft, refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SETS = [word for text in FAST for word in ("--set", text)]


def test_a_sound_configuration_passes_and_leaves_no_run(panel, home):
    told = json.loads(atft("preflight", "--data-path", panel, *SETS, "--json"))
    assert told["ok"]
    assert len(told["checks"]) > 10
    assert told["estimate"]["epoch_seconds"] > 0
    assert set(told["baselines"]["1"]) == {"reversal", "momentum", "ridge"}
    text = atft("preflight", "--data-path", panel, *SETS)
    assert "s per epoch; 1 trial x 10 epochs take about" in text
    assert "ridge" in text
    assert not list(home.iterdir())


def test_a_check_that_fails_is_named_and_is_the_exit_code(panel, home):
    words = ["preflight", "--data-path", panel, *SETS, "--set", "train.block_days=4"]
    text = atft(*words, code=1)
    assert "XX  loss terms pull the right way" in text
    assert "no gradient: sharpe" in text


def test_what_cannot_be_checked_says_why(panel, home):
    words = ["preflight", "--data-path", panel, *SETS, "--set", 'train.device="cuda"']
    assert "torch finds no CUDA device" in refused(*words)
    assert "no.parquet" in refused("preflight", "--data-path", "no.parquet")
