"""Why an attempt at a trial was lost, in one word, and what helps.

The word stands before the reason, everywhere that a reason stands: HUNG: nothing heard for 300 s.
"""

from __future__ import annotations

ACTIONS = {
    "HUNG": "see where in the trial's stacks.txt; engine.hung_seconds is how long it may be silent",
    "CRASHED": "read the end of the trial's log; it was not asked to end",
    "OOM": "less at once: a smaller train.block_days, model.hidden or model.lookback, "
    "or fewer other processes",
    "NAN": "a smaller train.learning_rate, or train.amp=off; a trial of its own is lost, no other",
    "TIMED_OUT": "fewer epochs or a smaller network; engine.trial_hours is how long one may take",
    "LOST_NODE": "the trial goes on elsewhere from its last checkpoint; `atft cluster status`",
    "LOST_GPU": "nvidia-smi and dmesg say why (Xid); after a reset, resume",
    "DISK_FULL": "make room, then resume: it goes on from its last checkpoint",
}
"""What to do, by the word."""
_OF_A_PROGRAM = {
    "OOM": "less at once in the program: a smaller batch or network; or fewer other processes",
    "NAN": "a smaller learning rate, or full precision; a trial of its own is lost, no other",
}
"""The same where the trial is a program of the user's own, which has settings of its own."""
RANK_LOST = 70
"""Exit code of a worker that ends because another process of its trial is gone."""


def helps(cause: str, *, own_program: bool) -> str:
    """What to do; empty where there is no cause."""
    known = _OF_A_PROGRAM.get(cause, "") if own_program else ""
    return known or ACTIONS.get(cause, "")


def caused(cause: str, reason: str) -> str:
    """A reason with its cause."""
    return f"{cause}: {reason}"


def cause_of(reason: str) -> str:
    """The word of a reason; empty where it has none."""
    word = reason.partition(":")[0]
    return word if word in ACTIONS else ""
