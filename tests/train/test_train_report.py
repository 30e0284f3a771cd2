"""Reasons of one line, orders, progress that does not flood."""

import errno
import json

import pytest
import torch

from atft_core.errors import DataError, NonFiniteLossError
from atft_core.run.directory import TrialDirectory
from atft_core.run.events import Progress
from atft_core.run.journal import read_events
from atft_core.train.report import Interrupted, LastWord, Reporter, number, reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NonFiniteLossError("the loss is nan at epoch 2", hint="x"),
         "NAN: the loss is nan at epoch 2"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"),
         "OOM: CUDA out of memory. Tried"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
         "OOM: DefaultCPUAllocator: can't allocate memory: 9 bytes"),
        (MemoryError(), "OOM: MemoryError"),
        (OSError(errno.ENOSPC, "No space left on device"),
         "DISK_FULL: [Errno 28] No space left on device"),
        (DataError("too short", hint="more"), "DataError: too short"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_the_reason_names_the_cause_in_one_line(error, text):
    assert reason(error) == text


def test_an_exception_is_recorded_and_goes_on_and_an_interrupt_leaves_nothing(tmp_path):
    path = tmp_path / "exit.json"
    with pytest.raises(ValueError, match="bad"), LastWord(path, 2) as word:
        word.epoch = 3
        raise ValueError("bad")
    assert json.loads(path.read_text()) == {
        "attempt": 2, "state": "failed", "reason": "ValueError: bad", "value": None, "epoch": 3,
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt), LastWord(path, 3):
        raise KeyboardInterrupt
    assert not path.exists()  # nor is that of the attempt before left to be mistaken for it


def test_progress_is_told_at_each_phase_and_seldom_within_one(tmp_path):
    reporter = Reporter(TrialDirectory(tmp_path), 0, 1)
    with reporter.journal:
        told = [reporter.tick("train", i, 1000) for i in range(1000)]
        assert reporter.tick("validate", 0, 5)
    assert told[0]
    assert sum(told) < 20
    events = [s.event for s in read_events(tmp_path / "events.jsonl")]
    assert all(isinstance(e, Progress) and e.attempt == 1 for e in events)
    assert [events[0].phase, events[-1].phase] == ["train", "validate"]


@pytest.mark.parametrize("op", ["stop", "prune"])
def test_an_order_is_obeyed_at_the_next_block_but_not_while_saving(tmp_path, op):
    reporter = Reporter(TrialDirectory(tmp_path), 0, 1)
    with reporter.journal:
        reporter.control.write_text(json.dumps({"op": op}))
        reporter.tell("checkpoint")
        with pytest.raises(Interrupted) as order:
            reporter.tick("train", 1, 2)
    assert order.value.op == op


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0381, ".0381"),
        (-0.0381, "-.0381"),
        (10.5, "10.5000"),
        (0.0, ".0000"),
        (None, "undefined"),
    ],
)
def test_numbers_of_the_log(value, text):
    assert number(value) == text
