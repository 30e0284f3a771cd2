"""The settings of a trial on a screen, and the verdicts that were."""

import os
import socket
import subprocess
import sys

import pytest
import tui_run
from test_tui_hostile import HOSTILE, WORST, assert_harmless
from tui_console import SMALL, WIDE, console, every_size

from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_core.run.processes.alive import start_time


@pytest.fixture
def worker(live):
    """A process whose environment is not what the run asks for, as worker of the fourth trial."""
    environ = {"NUM_WORKERS": "0", "OMP_NUM_THREADS": "8"}
    code = "import time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], env=environ)
    resolved = resolve(assignments=["data.workers=4"], environ={})
    live.config.write_text(to_toml(resolved.config, resolved.origins))
    engine = os.getpid()
    with Journal(live.events) as journal:
        journal.append(ev.EngineStarted(pid=engine, start_time=start_time(engine),
                                        host=socket.gethostname()))  # fmt: skip
        journal.append(ev.WorkerStarted(trial=3, attempt=2, pid=process.pid,
                                        start_time=start_time(process.pid)))  # fmt: skip
    yield process
    process.kill()
    process.wait()


async def open_settings(shown, trial):
    """With the cursor on a trial."""
    shown.pane("trials")._select(str(trial))
    await shown.press("e")
    await shown.on("SettingsScreen")
    await shown.until(lambda: shown.pane("evidence").found)


@every_size
async def test_what_differs_comes_first_with_both_values_and_the_reason(book, live, worker, size):
    async with console(book, live.path, size) as shown:
        await open_settings(shown, 3)
        assert f"worker of trial 3, pid {worker.pid}" in shown.drawn("evidence")[1]
        first = "\n".join(shown.drawn("evidence")[2:8])
        assert "!= differs  NUM_WORKERS" in first
        assert "config.toml decides: data.workers = 4 (--set)" in first
        row = next(text for text in shown.drawn("evidence") if "NUM_WORKERS" in text)
        assert "NUM_WORKERS - - 4 0" in " ".join(row.split())
        assert "atft settings output/short 3" in shown.app._command.replace("RUN_DIR", "")


async def test_left_and_right_go_through_the_trials_and_an_ended_worker_is_said_to_be(
    book, live, worker
):
    async with console(book, live.path, SMALL) as shown:
        await open_settings(shown, 3)
        await shown.press("left")
        await shown.shows("trial 2 has no worker: pruned")
        assert "Settings, trial 2" in shown.text
        await shown.press("right", "right")
        await shown.shows("trial 0 has no worker: done")
        await shown.press("e")
        await shown.on("ConsoleScreen")


async def test_the_equals_sign_leaves_out_what_is_as_requested(book, live, worker):
    async with console(book, live.path, WIDE) as shown:
        await open_settings(shown, 3)
        assert "label" in shown.said("evidence")
        await shown.press("equals_sign")
        assert "entry_lag" not in shown.said("evidence")
        assert "NUM_WORKERS" in shown.said("evidence")
        assert "only differences" in shown.said("evidence")
        await shown.press("equals_sign")
        assert "entry_lag" in shown.said("evidence")


async def test_the_filter_keeps_rows_with_all_its_words(book, live, worker):
    async with console(book, live.path, WIDE) as shown:
        await open_settings(shown, 3)
        await shown.press("slash")
        await shown.type("model dropout")
        await shown.press("enter")
        lines = shown.said("evidence")
        assert "graph_dropout" in lines
        assert "entry_lag" not in lines
        assert "nothing that is shown differs" in lines
        assert "/model dropout" in lines
        await shown.press("slash", "escape", "escape")
        await shown.on("ConsoleScreen")


async def test_a_run_whose_worker_goes_is_looked_at_again(book, live, worker):
    async with console(book, live.path, SMALL) as shown:
        await open_settings(shown, 3)
        worker.kill()
        worker.wait()
        await shown.shows(f"the worker of trial 3 (pid {worker.pid}) is gone")


async def test_a_finished_run_shows_what_was_requested_and_what_the_worker_told(book, finished):
    async with console(book, finished.path, SMALL) as shown:
        await open_settings(shown, 0)
        await shown.shows("config.toml cannot be read: No such file or directory")
        assert "trial 0 has no worker" in shown.text
        assert "resident" in shown.said("evidence")


async def test_without_a_run_there_is_nothing_to_show(book):
    async with console(book, size=SMALL) as shown:
        await shown.press("e")
        assert shown.screen == "ConsoleScreen"
        assert shown.notices() == ["no run is shown"]


@pytest.mark.parametrize("name", WORST)
async def test_hostile_settings_are_drawn_as_text(book, live, name):
    text = HOSTILE[name]
    resolved = resolve(assignments=['data.sector="x"'], environ={})
    live.config.write_text(to_toml(resolved.config, {"data.sector": "A"}) + f"a = 1 # {text}\n")
    tui_run.begin_trial(live, 4, **{text: text})
    with Journal(live.events) as journal:
        values = {"feed": text, "feed_reason": text, "loss": {text: 1.0}, "code": text}
        journal.append(ev.Settings(trial=4, attempt=1, worker_seq=2, values=values))
    async with console(book, live.path, SMALL) as shown:
        await open_settings(shown, 4)
        for _ in range(12):
            assert_harmless(shown)
            await shown.press("pagedown")


# The verdicts.


@every_size
async def test_the_zoomed_verdict_lists_what_it_was_before(book, live, size):
    with Journal(live.events) as journal:
        for epoch in (8, 9):
            journal.append(
                ev.Epoch(trial=3, attempt=1, worker_seq=80 + epoch, epoch=epoch, seconds=20.0,
                         time={"wait": 15.0, "compute": 5.0}, val={})
            )  # fmt: skip
        journal.append(ev.WorkerExited(trial=3, ok=False, reason="killed [red]\x1b[31m"))
    async with console(book, live.path, size) as shown:
        await shown.press("2")
        lines = [line for line in shown.drawn("verdict") if "-bound" in line or "CRASHED" in line]
        assert len(lines) == 4, "the newest, and the three that were"
        assert "data-bound" in lines[0]
        assert "CRASHED" in lines[1]
        assert "killed [red]" in lines[1]
        assert "2 epochs, trial 3: 75 % of the train" in lines[2]
        assert "compute-bound" in lines[3]
        assert "31 epochs, trials 0 to 3" in lines[3]
        assert_harmless(shown)
