"""What is told before the first trial, and whose work the GPU's duty is taken for."""

from types import SimpleNamespace

import pytest

from atft_core.config.schema import Config
from atft_core.engine.drain import _duty
from atft_core.engine.supervise import _foresee
from atft_core.run.events import Epoch
from atft_core.run.state import State

DRY = {"criteria": [{"name": "gpu_utilisation", "minimum": 40.0},
                    {"name": "epoch_seconds", "minimum": 90.0}]}  # fmt: skip

PRUNABLE = Config.model_validate({"engine": {"n_trials": 20}, "train": {"max_epochs": 15}})


def session(*, stage=DRY, reason="", epoch_seconds=10.0, device="cpu"):
    state = State(stage_spec=stage, estimate={"epoch_seconds": epoch_seconds})
    state.trial(0).settings = {"device": device}
    sampled = {"n": 9, "p50": 95.0}
    return SimpleNamespace(state=state, sampler=SimpleNamespace(reason=reason), config=PRUNABLE,
                           gpu_window=lambda trial, start, end: sampled)  # fmt: skip


def test_a_criterion_that_cannot_be_measured_is_told_at_once():
    ((level, text),) = _foresee(session(reason="no NVML on this box"))
    assert level == "warning"
    assert "no NVML on this box" in text
    assert "UNKNOWN" in text
    assert list(_foresee(session())) == []
    assert list(_foresee(session(reason="no NVML on this box", stage={}))) == []


def test_epochs_that_will_take_too_long_are_told_at_once():
    ((_, text),) = _foresee(session(epoch_seconds=120.0))
    assert "about 120 s" in text
    assert "90 s" in text


@pytest.mark.parametrize(("device", "seen"), [("cuda (H100)", True), ("cpu", False), ("", False)])
def test_the_duty_of_a_gpu_counts_only_for_a_trial_that_ran_on_one(device, seen):
    epoch = Epoch(trial=0, time={"train_start": 1.0, "train_end": 2.0})
    assert (_duty(session(device=device), epoch) is not None) is seen
