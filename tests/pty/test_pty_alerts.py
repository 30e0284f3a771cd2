"""The bell and the desktop notifications, as the terminal really gets them."""

import pytest
from pty_console import console, terminal

from atft_core.run import events as ev
from atft_core.run.journal import Journal

OSC9 = b"\x1b]9;atft error: short sweep: the disk is nearly full\x07"
OSC777 = b"\x1b]777;notify;atft error: short sweep;the disk is nearly full\x07"


def alert(run, text="the disk is nearly full"):
    with Journal(run.events) as journal:
        journal.append(ev.Alert(level="error", key="disk_low", text=text))


@pytest.mark.parametrize(
    "tmux", [pytest.param("", id="plain"), pytest.param("/tmp/t,1,0", marks=pytest.mark.slow)]
)
def test_a_new_alert_rings_and_notifies_and_an_old_one_does_not(book, live, tmux):
    alert(live, "an old one")
    environ = {"TMUX": tmux, "ATFT_NOTIFY": "on"}
    with terminal(console("--runbook", book.path, "output/short"), (120, 34),
                  environ=environ) as shown:  # fmt: skip
        shown.shows("an old one", ">> runs")
        begun = len(shown.received)
        assert b"\x1b]9;" not in shown.received
        alert(live)
        expected = [OSC9, OSC777]
        if tmux:
            expected = [b"\x1bPtmux;\x1b" + sequence + b"\x1b\\" for sequence in expected]
        shown.until(lambda: all(sequence in shown.received for sequence in expected))
        assert b"\x07" + expected[0] in shown.received[begun:], "the bell comes first"
        shown.press("q")
        assert shown.ends() == 0


@pytest.mark.slow
def test_switched_off_the_terminal_is_left_in_peace(book, live):
    with terminal(console("--runbook", book.path, "output/short"), (120, 34),
                  environ={"TMUX": "", "ATFT_NOTIFY": "off"}) as shown:  # fmt: skip
        shown.shows(">> runs")
        alert(live)
        shown.shows("the disk is nearly full")
        shown.press("q")
        assert shown.ends() == 0
        assert b"\x1b]9;" not in shown.received
        assert b"\x1b]777;" not in shown.received
