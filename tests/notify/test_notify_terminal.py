"""The bytes that ring and notify: cleaned, wrapped in tmux, each with a bar of its own."""

from dataclasses import replace

import pytest

from atft_core.notify.message import message
from atft_core.notify.settings import Settings
from atft_core.notify.terminal import sequences, wanted
from atft_core.run.state import Alert, State

XTERM = {"TERM": "xterm-256color"}
HOSTILE = "a\x1b]52;c;b3duZWQ=\x07b\x9b31mc\x07;d\u202e\nE[red]"


def test_a_desktop_notification_says_which_stage_and_what(alert):
    found = sequences(alert, XTERM)
    assert found == {
        "bell": "\a",
        "osc9": "\x1b]9;atft warning: short sweep: trial 3 failed: no memory\a",
        "osc777": "\x1b]777;notify;atft warning: short sweep;trial 3 failed: no memory\a",
    }


def test_inside_tmux_they_are_wrapped_and_the_bell_is_not(alert):
    found = sequences(alert, {**XTERM, "TMUX": "/tmp/tmux-0/default,1,0"})
    assert found["bell"] == "\a"
    for channel, plain in sequences(alert, XTERM).items():
        if channel != "bell":
            assert found[channel] == "\x1bPtmux;\x1b" + plain + "\x1b\\"


def test_what_somebody_wrote_ends_no_sequence_and_begins_none():
    raised = Alert(1.0, "error", HOSTILE, "trial_failed")
    said = message(raised, State(run=HOSTILE, host=HOSTILE), None)
    for sequence in list(sequences(said, XTERM).values())[1:]:
        inner = sequence[1:-1]
        assert all(char.isprintable() for char in inner), inner
        assert "52;" not in inner
        assert inner.count(";") == (1 if inner.startswith("]9;") else 3)


@pytest.mark.parametrize(
    ("changes", "level", "channels"),
    [
        ({}, "info", {"osc9", "osc777"}),
        ({}, "warning", {"bell", "osc9", "osc777"}),
        ({"bell": "off"}, "error", {"osc9", "osc777"}),
        ({"osc9": "off"}, "error", {"bell", "osc777"}),
        ({"osc777": "error"}, "warning", {"bell", "osc9"}),
        ({"silent": ("trial_failed",)}, "error", set()),
    ],
)
def test_each_channel_has_a_bar_and_each_event_a_switch(alert, changes, level, channels):
    assert wanted(Settings(**changes), replace(alert, level=level), XTERM).keys() == channels


def test_the_kernels_console_has_no_desktop(alert):
    assert wanted(Settings(), alert, {"TERM": "linux"}) == {"bell": "\a"}
