"""A line that stalls: the terminal takes no byte for 40 s while the run goes on."""

import time

import psutil
import pytest
import tui_run
from pty_console import console, terminal

pytestmark = pytest.mark.slow
STALL = 40


def test_forty_seconds_without_a_reader_lose_nothing(book, live):
    with terminal(console("--runbook", book.path, "output/short"), (200, 50)) as shown:
        shown.shows("RankIC", "6 Log", ">> runs", "7/10")
        watched = psutil.Process(shown.process.pid)
        before = watched.memory_info().rss
        began = time.monotonic()
        line = 0
        while time.monotonic() - began < STALL:
            with live.log.open("a") as file:
                for _ in range(200):
                    line += 1
                    file.write(f"2026-01-02 03:04:05 line {line} of the night\n")
            if line == 2000:
                shown.press("?")
            time.sleep(0.2)
        shown.press("\x1b")  # closes the page of keys, which nobody has seen
        for epoch in (8, 9, 10):
            tui_run.add_epoch(live, 3, epoch)
        tui_run.end_trial(live, 3, "COMPLETE", 0.0777)
        assert watched.memory_info().rss - before < 30e6
        shown.shows(f"line {line} of the night", ".078", "10 ")
        assert "output/short" in shown.text
        shown.press("q")
        assert shown.ends() == 0
