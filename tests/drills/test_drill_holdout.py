"""The question before a look at the holdout, and the count of looks that runs share."""

import json
import os
import pty
import shutil
import subprocess
import sys

import pytest
from drill import start, wait_for_end
from small_book import events

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
END_OF_INPUT = "\x04"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, panel):
    """A finished run of one trial."""
    run = start(panel, tmp_path_factory.mktemp("holdout") / "out", trials=1, epochs=1)
    assert wait_for_end(run)[1].name == "FINISHED"
    return run


@pytest.fixture
def run(finished, home):
    """A copy of it."""
    shutil.copytree(finished.path, home / "one")
    return RunDirectory(home / "one")


def asked(run, answer):
    """`atft holdout --json` on a terminal at which somebody types `answer`."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "atft_core", "holdout", str(run.path), "--trial", "0",
               "--json"]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.close(follower)
    os.write(leader, answer.encode())
    out, err = process.communicate(timeout=120)
    os.close(leader)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.mark.parametrize("answer", ["n\n", "\n", "yesterday\n", END_OF_INPUT])
def test_anything_but_yes_scores_and_counts_nothing(run, home, answer):
    log = run.events.read_bytes()
    code, out, err = asked(run, answer)
    assert (code, out) == (2, "")
    assert "looked at 0 times" in err
    assert "Score trial 0" in err
    assert "Not scored" in err
    assert not (home / "state").exists()
    assert run.events.read_bytes() == log


def test_yes_scores_and_every_run_on_the_same_data_goes_on_counting(run, home):
    code, out, err = asked(run, "Y\n")
    assert code == 0
    first = json.loads(out)
    assert (first["looks"], first["trial"]) == (1, 0)
    shutil.copytree(run.path, home / "two")
    other = RunDirectory(home / "two")
    code, out, err = asked(other, "yes\n")
    assert "looked at 1 time." in err
    second = json.loads(out)
    assert second["looks"] == 2
    assert second["holdout"] == first["holdout"]
    assert [event.looks for event in events(run, ev.HoldoutScored)] == [1]
    assert [event.looks for event in events(other, ev.HoldoutScored)] == [1, 2]
    lines = (home / "state" / "atft" / "holdout.jsonl").read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines] == [str(run.path), str(other.path)]
