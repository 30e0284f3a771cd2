"""What Tab offers, as a shell asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ATFT = Path(sys.executable).with_name("atft")


def offered(place, line):
    """The words for the last one of a line, which may be empty."""
    words = line.split(" ")
    env = {**os.environ, "_ATFT_COMPLETE": "complete_bash", "COMP_WORDS": line.strip(),
           "COMP_CWORD": str(len(words) - 1)}  # fmt: skip
    done = subprocess.run([ATFT], cwd=place, env=env, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.split()


@pytest.fixture
def place(tmp_path):
    for name in ("book.toml", "notes.txt", "configs/mine.toml", ".hidden/x.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("atft run ", ["dry", "short", "full"]),
        ("atft run s", ["short"]),
        ("atft run dry --then f", ["full"]),
        ("atft run dry --runbook ", ["cpu", "demo", "runbook", "book.toml", "configs/"]),
        ("atft run dry --config obj", ["objective/rank"]),
        ("atft run dry --config configs/", ["configs/mine.toml"]),
        ("atft run dry --config .h", [".hidden/"]),
        ("atft run dry --set train.max_", ["train.max_epochs=", "train.max_batches="]),
        ("atft export out al", ["alphalens"]),
    ],
)
def test_values_are_offered(place, line, words):
    assert offered(place, line) == words


def test_a_runbook_that_cannot_be_read_offers_nothing(place):
    assert offered(place, "atft run --runbook book.toml ") == []
