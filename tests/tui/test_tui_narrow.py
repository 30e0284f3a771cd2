"""Long names and large numbers in a small terminal: what matters is never what is cut."""

from dataclasses import replace

import pytest
import tui_run
from tui_console import SMALL, console

from atft_core.run.lock import EngineLock
from atft_core.run.runbook import load


@pytest.fixture
def long(home):
    """A live run of many trials and epochs, in a directory far below."""
    folder = home / ("a_rather_long_name_" * 4) / "below"
    folder.mkdir(parents=True)
    book = load(tui_run.write_runbook(folder))
    stage = replace(book.stage("short"), n_trials=150, max_epochs=120)
    run = tui_run.new_run(book, stage)
    for number, epochs in ((99, 2), (101, 100)):
        tui_run.begin_trial(run, number)
        for epoch in range(1, epochs + 1):
            tui_run.add_epoch(run, number, epoch, best=-0.043)
        if number == 99:
            tui_run.end_trial(run, 99, "COMPLETE", -0.0421)
    lock = EngineLock(run.lock)
    yield book, run
    lock.release()


async def test_the_end_of_a_long_path_and_the_state_of_the_run_stay(long):
    book, run = long
    async with console(book, run.path, size=SMALL) as shown:
        (header, _) = shown.drawn("stages")
        assert "below/output/short" in header
        assert "RUNNING" in header
        assert "left 2d" in header


async def test_more_than_a_hundred_trials_and_epochs_fit(long):
    book, run = long
    async with console(book, run.path, size=SMALL) as shown:
        (_, strip) = shown.drawn("stages")
        assert "102/150" in strip
        assert "100/120" in strip
        assert "f full  -- needs short sweep" in strip
        assert "…" not in strip
        head, *rows = [line.strip("│")[1:] for line in shown.drawn("trials")[1:4]]
        assert [row.split()[0] for row in rows] == ["101", "99"]
        for row in rows:
            assert "…" not in row
            assert row.index("-.0") + len("-.043") == head.index("RankIC") + len("RankIC")
            assert row.rstrip().endswith(".011")
