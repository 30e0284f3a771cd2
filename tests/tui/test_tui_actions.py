"""Keys that act: each is an `atft` command, it is shown, and what cannot be done is said."""

import json
import os
import socket
import threading
import time

import pytest
import tui_run
from tui_console import MIDDLE, WIDE, console

from atft_core.run import events as ev
from atft_core.run.files import read_json
from atft_core.run.journal import Journal
from atft_core.run.processes.alive import start_time


class Answering(threading.Thread):
    """The part of an engine that answers requests."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_directory, self.requests, self.ended = run, [], threading.Event()

    def run(self):
        while not self.ended.is_set() and not self.requests:
            for path in self.run_directory.requests.glob("*.json"):
                self.requests.append(read_json(path))
                with Journal(self.run_directory.events) as journal:
                    journal.append(ev.Requested(id=path.stem, message="will stop"))
            time.sleep(0.05)


@pytest.fixture
def answering(live):
    engine = Answering(live)
    engine.start()
    yield engine
    engine.ended.set()
    engine.join()


async def test_there_is_nothing_to_stop_and_the_console_says_so(book, finished):
    async with console(book, size=MIDDLE) as shown:
        for key in ("x", "X"):
            await shown.press(key)
            assert shown.screen == "ConsoleScreen", "no question about nothing"
        assert shown.notices() == ["nothing is running"] * 2
        await shown.shows("nothing is running")
        assert list(finished.requests.iterdir()) == []


async def test_there_is_nothing_to_resume_and_the_console_says_so(book, live):
    async with console(book, size=MIDDLE) as shown:
        await shown.press("r")
        assert shown.notices() == ["there is nothing to resume"]


@pytest.mark.slow
async def test_x_asks_the_engine_to_stop_after_the_trial(book, live, answering):
    async with console(book, size=WIDE) as shown:
        await shown.press("x")
        await shown.until(lambda: " ok " in shown.drawn("command")[0])
        assert shown.drawn("command")[0].startswith(" $ atft stop output/short  ok ")
    assert [(r["op"], r["args"]) for r in answering.requests] == [("stop", {"now": False})]


@pytest.mark.slow
async def test_a_capital_x_asks_before_it_stops_now(book, live, answering):
    async with console(book, size=WIDE) as shown:
        for no in ("n", "escape", "enter", "q"):
            await shown.press("X")
            assert shown.screen == "QuestionScreen"
            assert "Stop the run now?" in shown.text
            await shown.press(no)
            assert shown.screen == "ConsoleScreen"
        assert list(live.requests.iterdir()) == []
        await shown.press("X", "y")
        await shown.until(lambda: " ok " in shown.drawn("command")[0])
        assert " $ atft stop output/short --now" in shown.drawn("command")[0]
    assert [(r["op"], r["args"]) for r in answering.requests] == [("stop", {"now": True})]


@pytest.mark.slow
async def test_what_a_command_complains_about_is_shown(book):
    run = tui_run.sweep(book)  # nobody holds its lock: it died
    async with console(book, size=WIDE) as shown:
        await shown.press("r")
        await shown.until(shown.notices)
        assert "atft resume output/short --detach" in shown.drawn("command")[0]
        said = shown.notices()[0]
        assert said
        assert "Traceback" not in said
    assert json.loads(run.run_json.read_text())["schema"] == 1


@pytest.mark.slow
async def test_y_shows_where_the_runs_processes_are_and_why_not(book, live):
    async with console(book, live.path) as shown:
        await shown.press("y")
        await shown.on("StacksScreen")
        await shown.shows("has no process on this host")
        pid = os.getpid()
        with Journal(live.events) as journal:
            journal.append(
                ev.EngineStarted(pid=pid, start_time=start_time(pid), host=socket.gethostname())
            )
        await shown.press("y")
        await shown.shows(f"engine  pid {pid}  ")
        (kept,) = live.stacks.iterdir()
        assert kept.name in shown.said("evidence")
        await shown.press("escape")
        await shown.on("ConsoleScreen")


async def test_y_has_nothing_to_ask_of_a_run_that_has_ended(book, finished):
    async with console(book, finished.path) as shown:
        await shown.press("y")
        assert shown.notices() == ["nothing is running"]
