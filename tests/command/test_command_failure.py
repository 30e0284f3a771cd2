"""What the last lines of a program say of why it failed, and what helps it."""

from collections import deque
from types import SimpleNamespace

import pytest

from atft_core.command.trial import _failure
from atft_core.run.causes import ACTIONS, helps
from atft_core.train.report import reason


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "ProgramError: exit code 1"),
        (["KeyError: 'close'"], "ProgramError: exit code 1: KeyError: 'close'"),
        (["torch.OutOfMemoryError: CUDA out of memory"],
         "OOM: exit code 1: torch.OutOfMemoryError: CUDA out of memory"),
        (["MemoryError: x", "note: see the manual"], "OOM: exit code 1: MemoryError: x"),
        (["OSError: [Errno 12] Cannot allocate memory"],
         "OOM: exit code 1: OSError: [Errno 12] Cannot allocate memory"),
        (["terminate called after throwing an instance of 'std::bad_alloc'", "  what():  x"],
         "OOM: exit code 1: terminate called after throwing an instance of 'std::bad_alloc'"),
    ],
)  # fmt: skip
def test_the_reason_of_a_program_that_failed(said, why):
    program = SimpleNamespace(code=1, end_of_it=deque(said), last=said[-1] if said else "")
    assert reason(_failure(program)) == why


def test_a_program_is_not_advised_to_change_settings_that_it_never_sees():
    for cause in ("OOM", "NAN"):
        assert "train." not in helps(cause, own_program=True)
        assert helps(cause, own_program=False) == ACTIONS[cause]
    assert helps("HUNG", own_program=True) == ACTIONS["HUNG"]
    assert helps("", own_program=True) == ""
