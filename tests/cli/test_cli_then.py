"""A queued stage that cannot start on this machine is said before the night, not after it."""

from pathlib import Path

import pytest

from atft_core.cli.start import StageRequest, _never_followed
from atft_core.engine import plan
from atft_core.run.runbook import load, shipped


@pytest.mark.parametrize(
    ("runbook", "reason", "then", "said"),
    [
        ("runbook.toml", "no driver", "short", True),
        ("runbook.toml", "no driver", "", False),
        ("runbook.toml", "", "short", False),
        ("cpu.toml", "no driver", "short", False),
    ],
)
def test_without_nvml_a_gate_that_needs_the_gpu_is_said_to_stay_closed(
    monkeypatch, runbook, reason, then, said
):
    class Box:
        def __init__(self):
            self.reason = reason

        def close(self):
            pass

    monkeypatch.setattr(plan, "Nvml", Box)
    book = load(shipped(runbook))
    asked = StageRequest("dry", None, (), Path("p.parquet"), (), then, "", "")
    found = list(_never_followed(asked, book, book.stage("dry")))
    assert bool(found) is said
    assert not said or "--then short" in found[0]
