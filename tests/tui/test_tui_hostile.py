"""Foreign text is drawn as text: no markup, no sequences, no crash, whatever a file holds."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import tui_run
from textual.widgets import Input
from tui_console import MIDDLE, SMALL, WIDE, console, every_size

from atft_core.run import events as ev
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.lock import EngineLock
from atft_core.run.runbook import load
from atft_core.writer import summed

HOSTILE = {
    "escape": "\x1b[31mred\x1b[0m \x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[2J",
    "markup": "[red]x[/] [bold]y[/bold] [/] [link=file:///etc]z[/link] [$error]",
    "braces": "{0} %s %(x)s \\[ [",
    "long": "word " * 5000,
    "one word": "w" * 20000,
    "wide": "研究 漢字 한국어 " * 60,
    "nul": "a\x00b\x00\r\x08\x08c\x7f",
    "bidi": "\u202eabc\u2066\u200b\ufeff",
    "marks": "z" + "\u0300\u0301\u0302" * 100,
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 ⚠️",
}
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
WORST = ("escape", "markup", "wide")
hostile = pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name, marks=[] if name in WORST else pytest.mark.slow)
        for name, text in HOSTILE.items()
    ],
)


def assert_harmless(shown):
    """Every row has exactly the width of the screen, and nothing a terminal would obey."""
    width, height = shown.app.size
    strips = shown.app.screen._compositor.render_strips()
    assert len(strips) == height
    assert {strip.cell_length for strip in strips} == {width}
    assert not CONTROL.search(shown.text.replace("\n", ""))
    assert "owned" not in shown.text
    assert "b3duZWQ" not in shown.text


async def look_everywhere(shown):
    """Every pane zoomed, every trial, every criterion, help."""
    for key in "123456":
        await shown.press(key)
        assert_harmless(shown)
    await shown.press("escape", "enter")
    for _ in shown.app.view.state.trials:
        assert shown.screen == "TrialScreen"
        assert_harmless(shown)
        await shown.press("right")
    await shown.press("escape")
    if shown.app.view.results:
        shown.pane("checklist").focus()
        await shown.press("enter")
        assert_harmless(shown)
        await shown.press("left")
        assert_harmless(shown)
        await shown.press("escape")
    assert shown.screen == "ConsoleScreen"


async def test_hostile_log_lines_are_drawn_as_text(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("6")
        for name, text in HOSTILE.items():
            tui_run.log(live, text, f"Warning {text}", f"error {text}", f"after {name}")
            await shown.shows(f"after {name}")
            assert_harmless(shown)
        with live.log.open("ab") as file:
            file.write(b"\xff\xfe not utf-8 \xc3\nthe last line\n")
        await shown.shows("the last line")
        assert_harmless(shown)


async def test_markup_in_a_log_line_is_shown_as_it_was_written(book, live):
    tui_run.log(live, HOSTILE["markup"])
    async with console(book, size=WIDE) as shown:
        await shown.press("6")
        await shown.shows(HOSTILE["markup"])


def hostile_run(book, text):
    """A run in which every text that a person or a program may choose is hostile."""
    run = tui_run.new_run(book, book.stage("short"))
    tui_run.begin_trial(run, 0, **{text[:60]: text, "model.kind": text})
    for epoch in (1, 2):
        tui_run.add_epoch(run, 0, epoch)
    tui_run.end_trial(run, 0, "FAIL", None, text)
    tui_run.begin_trial(run, 1, **{"model.kind": "plain"})
    tui_run.add_epoch(run, 1, 1)
    with Journal(run.events) as journal:
        journal.append(ev.Alert(level=text[:10], text=text))
        journal.append(ev.Decision(rule=text, verdict="stop", said=text, trial=1))
        journal.append(ev.EngineStarted(pid=1, start_time=1.0, host=text))
        journal.append(ev.Preflight(checks=[{"name": text, "ok": False, "detail": text}]))
        journal.append(ev.DataReady(facts={"path": text, "stocks": text, "days": text}, split={}))
        journal.append(
            ev.Settings(
                trial=1,
                attempt=1,
                worker_seq=20,
                values={
                    "feed": text,
                    text[:60]: text,
                    "phases": [
                        text,
                        {},
                        {"first": text, "last": None},
                        {"first": 1, "last": 9, "name": text},
                    ],
                },
            )
        )
        journal.append(ev.Progress(trial=1, worker_seq=21, epoch=2, phase=text))
    run.trial(1).log.write_text(f"{text}\n")
    return run


@hostile
async def test_hostile_events_are_drawn_as_text(book, text):
    run = hostile_run(book, text)
    lock = EngineLock(run.lock)
    async with console(book, size=MIDDLE) as shown:
        assert_harmless(shown)
        await look_everywhere(shown)
    lock.release()


@every_size
async def test_a_reason_with_markup_is_shown_as_it_was_written(book, size):
    run = hostile_run(book, "[red]x[/]")
    async with console(book, run.path, size=size) as shown:
        await shown.press("end", "enter")
        assert "[red]x[/]" in shown.said("facts")
        assert "[red]x[/]" in "\n".join(shown.drawn("facts"))


@pytest.mark.parametrize("name", ["markup", "wide", "emoji", "braces", "one word"])
async def test_hostile_titles_in_a_runbook_are_drawn_as_text(book, name):
    text = HOSTILE[name]
    stages = tuple(replace(stage, title=text, study_name=text) for stage in book.stages)
    async with console(replace(book, name=text, stages=stages), size=SMALL) as shown:
        assert_harmless(shown)
        await shown.press("question_mark")
        assert_harmless(shown)
        await shown.press("escape", "ctrl+p")
        await shown.type("start")
        await shown.shows("Start: ")
        assert_harmless(shown)
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_a_filter_with_markup_is_shown_as_it_was_typed(book, live):
    async with console(book, size=WIDE) as shown:
        shown.pane("log").focus()
        await shown.press("slash")
        await shown.type("[red]|[$error]")
        await shown.press("enter")
        assert "6 Log  /[red]|[$error]/" in shown.text


# Damaged files.

DAMAGE = {
    "torn": b'{"schema":1,"seq":999,"t":1.0,"kind":"epo',
    "garbage": b"\x00\xff\x80 garbage\n[]\n{}\nnull\n1\n\n",
    "unknown kind": summed(
        json.dumps({"seq": 1000, "t": 1.0, "kind": "from_the_future", "x": 1})
    ).encode()
    + b"\n",
    "deep": b"[" * 100_000 + b"\n",
    "long": b'"' + b"x" * 3_000_000 + b'"\n',
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_event_log_is_still_drawn(book, live, damage):
    with live.events.open("ab") as file:
        file.write(damage)
    async with console(book, size=MIDDLE) as shown:
        assert "4/5" in shown.drawn("stages")[1]
        assert "compute-bound" in shown.text
        assert "Epoch 7/10 trial 3" in shown.said("log")
        assert_harmless(shown)


async def test_a_line_that_is_written_in_two_halves_is_read_once_it_is_whole(book, live):
    with Journal(live.events) as journal:
        journal.append(ev.Alert(text="in two halves"))
    whole = live.events.read_bytes()
    live.events.write_bytes(whole[:-20])
    async with console(book, size=WIDE) as shown:
        assert "in two halves" not in shown.text
        live.events.write_bytes(whole)
        await shown.shows("in two halves")


async def test_an_event_log_that_vanishes_is_said_and_not_fatal(book, live):
    async with console(book, size=WIDE) as shown:
        live.events.unlink()
        tui_run.log(live, "still here")
        await shown.shows("still here")
        assert shown.app.is_running


@pytest.mark.parametrize("facts", [b"", b"{", b"[]", b"\xff\xff"], ids=repr)
async def test_a_run_json_that_cannot_be_read_does_not_end_the_console(book, finished, facts):
    finished.run_json.write_bytes(facts)
    async with console(book, size=WIDE) as shown:
        assert "output/dry" in shown.text


async def test_a_damaged_snapshot_and_memory_are_ignored(book, finished, home):
    finished.snapshot.write_bytes(b'{"offset": 1, "state"')
    (home / "state" / "atft").mkdir(parents=True)
    (home / "state" / "atft" / "seen.json").write_bytes(b"\xff[")
    async with console(book, size=WIDE) as shown:
        assert "ok 9/9" in shown.text


async def test_a_log_of_a_hundred_megabytes_is_opened_at_its_end(book, live):
    with live.log.open("wb") as file:
        file.truncate(100 << 20)
        file.seek(0, 2)
        file.write(b"\nthe end\n")
    async with console(load(book.path), size=WIDE) as shown:
        await shown.shows("the end")
        await shown.press("6", "pageup")
        await shown.until(lambda: len(shown.pane("log").read.lines) > 2)
        assert "bytes not shown" in shown.said("log"), "a line without end is read in parts"


async def test_a_filter_that_takes_for_ever_is_removed_and_the_console_goes_on(book, live):
    tui_run.log(live, "a" * 60 + "!")
    async with console(book, size=MIDDLE) as shown:
        shown.pane("log").focus()
        await shown.press("slash")
        shown.app.screen.query_one("#answer", Input).value = "(a|aa)+$"
        await shown.press("enter")
        await shown.press("question_mark")
        assert shown.screen == "HelpScreen", "nobody waits for it"
        await shown.press("escape")
        await shown.until(lambda: "the filter takes too long: removed" in shown.notices())
        assert shown.pane("log").choice.filter is None
        await shown.shows("a" * 20)


async def test_a_run_that_is_removed_is_said_to_be_gone_and_its_successor_is_shown(book, finished):
    async with console(book, finished.path, size=WIDE) as shown:
        await shown.shows("FINISHED")
        shutil.rmtree(finished.path)
        await shown.shows("gone: removed, or renamed")
        again = tui_run.finished_dry_run(book)
        assert again.path == finished.path
        lines = again.events.read_text().splitlines(keepends=True)
        again.events.write_text("".join(lines[:3]))
        again.snapshot.unlink(missing_ok=True)
        write_json(again.run_json, again.facts() | {"created": 1.0})
        await shown.until(lambda: not shown.app.view.trouble)
        assert shown.app.view.state.seq == 3
