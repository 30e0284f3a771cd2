"""Names in the environment of a real run: what was applied is what the worker found."""

import json
import subprocess
import sys

import pytest
from drill import FAST, atft, slowest, start, wait_for, wait_for_end
from small_book import events

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_weight_from_the_environment_reaches_the_loss_of_the_worker(panel, home, monkeypatch):
    monkeypatch.setenv("RANKIC_WEIGHT", "0.6")
    monkeypatch.setenv("NUM_WORKERS", "8")
    sets = [word for text in FAST for word in ("--set", text)]
    done = subprocess.run(
        [sys.executable, "-m", "atft_core", "hpo", "--data-path", panel, "--n-trials", "1",
         "--max-epochs", "1", "--output-dir", "out", *sets],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "environment: RANKIC_WEIGHT=0.6 applied (loss.rank_ic)" in done.stderr
    assert (
        "environment: NUM_WORKERS=8 accepted, inactive (data.workers; for the ring feed"
        in done.stderr
    )
    run = RunDirectory(home / "out")
    (settings,) = events(run, ev.Settings)
    assert settings.values["loss"]["rank_ic"] == 0.6
    assert settings.values["loss"]["cs_ic"] == 0.3
    assert settings.values["feed"] == "mmap"
    lines = run.config.read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("rank_ic = ")]
    assert line.split("#")[0].strip() == "rank_ic = 0.6"
    assert "environment" in line
    told = {name: status for name, _, status, _ in run.facts()["environment"]}
    assert told == {"RANKIC_WEIGHT": "applied", "NUM_WORKERS": "accepted, inactive"}
    state, _ = wait_for_end(run)
    assert state.trials[0].settings["loss"]["rank_ic"] == 0.6


@slowest
def test_a_resumed_run_reads_its_own_settings_and_not_the_environment(panel, home, monkeypatch):
    run = start(panel, home / "out", trials=1, epochs=25)
    wait_for(run, lambda state: state.trials and state.trials[0].epochs)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    monkeypatch.setenv("RANKIC_WEIGHT", "0.6")
    atft("resume", run.path)
    weights = [event.values["loss"]["rank_ic"] for event in events(run, ev.Settings)]
    assert weights == [0.5, 0.5]
    assert json.loads(atft("status", run.path, "--json"))["state"] == "FINISHED"
