"""Alerts in the console: what is new while somebody watches, and how the screen tells it."""

import re
import time
from types import SimpleNamespace

import pytest
import tui_run
from tui_console import SMALL, WIDE, console, every_size

from atft_core.notify.settings import Loaded, Settings
from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_core.run.state import Alert, State
from atft_core.run.status import Status, load
from atft_tui.alerting import News, Teller, tell
from atft_tui.view import View

HOSTILE = "a\x1b]52;c;b3duZWQ=\x07\x1b[2J\x9b31mb\u202e[red]c[/red]"


def alert(run, text="the disk is nearly full", level="error", key="disk_low", **kind):
    with Journal(run.events) as journal:
        journal.append(ev.Alert(level=level, key=key, text=text, **kind))


def view(book, run, name="RUNNING", reason="", state=None, trial=None):
    status = Status(name, reason, trial=trial)
    return View(time.time(), book, run=run, state=state or load(run), status=status)


@pytest.fixture
def sent(monkeypatch):
    """What the console sends to its terminal beside the screen."""
    from textual.drivers.headless_driver import HeadlessDriver

    found = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda self, data: found.append(data))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("ATFT_NOTIFY", raising=False)
    pointer = re.compile("\x1b]22;[a-z]*\a")  # Textual's own: the shape of the mouse pointer
    return lambda: pointer.sub("", "".join(found))


# Which are new.


def test_what_was_there_before_the_console_is_no_news(book, live):
    alert(live)
    news = News(time.time())
    assert news.of(view(book, live)) == []
    assert news.of(view(book, live)) == []
    alert(live, "1 MiB left")
    assert [a.text for a in news.of(view(book, live))] == ["1 MiB left"]
    assert news.of(view(book, live)) == []


def test_of_a_run_that_began_meanwhile_everything_is_news(book):
    news = News(time.time())
    assert news.of(View(time.time(), book)) == []
    run = tui_run.sweep(book)
    alert(run)
    assert [a.key for a in news.of(view(book, run))] == ["disk_low"]


def test_another_run_that_is_older_brings_no_old_news(book, finished, live):
    alert(live)
    news = News(time.time())
    assert news.of(view(book, finished, "FINISHED")) == []
    assert news.of(view(book, live)) == []


def test_a_death_is_told_once_and_not_to_who_comes_later(book, live):
    news, late = News(time.time()), News(time.time())
    assert news.of(view(book, live)) == []
    (told,) = news.of(view(book, live, "DIED", "the engine is gone"))
    assert (told.key, told.level, told.text) == ("engine_died", "error", "the engine is gone")
    assert news.of(view(book, live, "DIED", "the engine is gone")) == []
    assert late.of(view(book, live, "DIED", "the engine is gone")) == []
    assert news.of(view(book, live)) == []
    assert len(news.of(view(book, live, "DIED", "again"))) == 1


@pytest.mark.parametrize("first", ["engine", "console", "together"])
def test_a_hang_that_engine_and_console_notice_is_told_once(book, live, first):
    news = News(time.time())
    news.of(view(book, live))
    told = []
    if first == "console":
        told += news.of(view(book, live, "HUNG", "silent"))
    alert(live, "HUNG, silent", key="hung")
    told += news.of(view(book, live, "RUNNING" if first == "engine" else "HUNG", "silent"))
    told += news.of(view(book, live, "HUNG", "silent for longer"))
    assert [a.key for a in told] == ["hung"]
    alert(live, "heard of again", "info", "hung", ended=True)
    assert [a.ended for a in news.of(view(book, live))] == [True]
    alert(live, "HUNG, silent once more", key="hung")
    assert len(news.of(view(book, live, "HUNG", "silent"))) == 1


def test_each_trial_that_hangs_is_told(book, live):
    news = News(time.time())
    news.of(view(book, live))
    alert(live, "HUNG, trial 3", key="hung", trial=3)
    assert [a.trial for a in news.of(view(book, live, "HUNG", "trial 3", trial=3))] == [3]
    (told,) = news.of(view(book, live, "HUNG", "trial 4", trial=4))
    assert (told.key, told.trial, told.text) == ("hung", 4, "trial 4")
    alert(live, "HUNG, trial 4", key="hung", trial=4)
    assert news.of(view(book, live, "HUNG", "trial 4", trial=4)) == []


# How they are told.


@every_size
async def test_a_new_alert_is_on_the_screen_rings_and_notifies(book, live, size, sent):
    alert(live, "an old one")
    async with console(book, size=size) as shown:
        alert(live, "2 MiB left")
        await shown.until(lambda: shown.notices() == ["2 MiB left"])
        assert sent().count("\a") == 3, "bell, and the end of each notification"
        assert "\x1b]9;atft error: short sweep: 2 MiB left\a" in sent()
        assert "\x1b]777;notify;atft error: short sweep;2 MiB left\a" in sent()
        assert "an old one" not in sent()
        await shown.shows("2 MiB left")


async def test_what_somebody_wrote_reaches_neither_terminal_nor_markup(book, live, sent):
    async with console(book, size=WIDE) as shown:
        alert(live, HOSTILE)
        await shown.until(shown.notices)
        assert "52;" not in sent()
        assert "\x1b[2J" not in sent()
        assert "[red]c[/red]" in sent()
        await shown.press("2")
        await shown.shows("[red]c[/red]")
        assert not any(char in shown.text for char in "\x1b\x07\x9b\u202e")


async def test_the_settings_of_the_person_decide(book, live, home, sent):
    folder = home / "config" / "atft"
    folder.mkdir(parents=True)
    (folder / "notify.toml").write_text(
        'bell = "off"\nosc777 = "off"\nosc9 = "error"\nsilent = ["rule"]'
    )
    async with console(book, size=WIDE) as shown:
        alert(live, "by a rule", key="rule")
        alert(live, "only a warning", "warning", "other")
        alert(live, "an error")
        await shown.until(lambda: shown.notices() == ["only a warning", "an error"])
        assert sent() == "\x1b]9;atft error: short sweep: an error\a"


async def test_switched_off_it_stays_in_the_log(book, live, sent, monkeypatch):
    monkeypatch.setenv("ATFT_NOTIFY", "off")
    async with console(book, size=WIDE) as shown:
        alert(live)
        await shown.shows("the disk is nearly full")
        assert shown.notices() == []
        assert "\a" not in sent()


async def test_a_file_that_is_wrong_is_said_and_the_console_opens(book, live, home, sent):
    folder = home / "config" / "atft"
    folder.mkdir(parents=True)
    (folder / "notify.toml").write_text('bel = "off"')
    async with console(book, size=WIDE) as shown:
        await shown.until(shown.notices)
        assert "did you mean bell?" in shown.notices()[0]
        alert(live)
        await shown.until(lambda: "\x1b]9;" in sent())


async def test_a_file_that_changes_holds_from_then_on_and_that_is_said(book, live, home, sent):
    file = home / "config" / "atft" / "notify.toml"
    async with console(book, size=WIDE) as shown:
        file.parent.mkdir(parents=True)
        file.write_text('silent = ["rule"]\nbell = "off"')
        await shown.until(shown.notices)
        assert shown.notices() == ["config/atft/notify.toml was read again: bell, silent changed"]
        alert(live, "by a rule", key="rule")
        alert(live, "an error")
        await shown.until(lambda: "an error" in shown.notices())
        assert "by a rule" not in shown.notices()
        assert sent().count("\a") == 2, "the end of each notification, and no bell"
        file.write_text("silent = 7")
        await shown.until(lambda: "silent = 7: must be a list" in shown.notices()[-1])
        file.unlink()
        await shown.until(lambda: "bell, silent changed" not in shown.notices()[-1]
                          and "was read again" in shown.notices()[-1])  # fmt: skip
        alert(live, "by a rule", key="rule")
        await shown.until(lambda: shown.notices()[-1] == "by a rule")


def test_alerts_that_come_before_it_is_known_how_to_tell_them_wait(book, live, home, monkeypatch):
    monkeypatch.setenv("TERM", "linux")
    said = Said()
    teller = Teller(said, time.time())
    assert teller.tell(view(book, live)) == ""
    alert(live, "an error")
    assert teller.tell(view(book, live)) == ""
    assert said.notices == []
    settings = Settings(silent=("other",))
    assert teller.heed(Loaded(settings, home, {}), "") == "\a"
    assert [text for text, _ in said.notices] == ["an error"]


class Said:
    """An app that only keeps what it is told to show."""

    def __init__(self, height=50):
        self.notices, self.size = [], SimpleNamespace(height=height)

    def notify(self, text, **options):
        self.notices.append((text, options["markup"]))


def test_of_many_at_once_the_worst_are_told_and_the_bell_rings_once(book, live, home, monkeypatch):
    monkeypatch.setenv("TERM", "linux")  # the bell alone
    alerts = [Alert(1.0, level, f"{level} {n}") for n in range(4)
              for level in ("error", "info", "warning")]  # fmt: skip
    said = Said()
    loaded = Loaded(Settings(), home, {})
    rings = tell(said, view(book, live, state=State()), alerts, loaded)
    assert rings == "\a"
    assert [text for text, _ in said.notices] == [
        "9 alerts more: key 2 lists them", "error 1", "error 2", "error 3"]  # fmt: skip
    assert not any(markup for _, markup in said.notices)
    assert tell(said, view(book, live, state=State()), [], loaded) == ""
    small = Said(24)
    tell(small, view(book, live, state=State()), alerts, loaded)
    assert [text for text, _ in small.notices] == ["11 alerts more: key 2 lists them", "error 3"]


# The history.


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "200x50"])
async def test_the_history_is_in_the_zoomed_verdict_newest_first(book, live, size):
    alert(live, "first", "info", "other")
    alert(live, "second", "warning", "other")
    alert(live, "third")
    async with console(book, size=size) as shown:
        await shown.press("2")
        await shown.until(lambda: shown.said("verdict").count("third"))
        rows = [line for line in shown.said("verdict").splitlines() if line.endswith(
            ("first", "second", "third"))]  # fmt: skip
        assert [row.split()[1:] for row in rows[-3:]] == [
            ["error", "third"], ["warning", "second"], ["info", "first"]]  # fmt: skip


async def test_a_long_reason_is_readable_to_its_end(book, live):
    alert(live, "no room: " + " ".join(f"word{n}" for n in range(40)) + " the_end")
    async with console(book, size=SMALL) as shown:
        await shown.press("2")
        await shown.shows("the_end")


async def test_of_very_many_alerts_the_newest_are_listed_and_the_others_counted(book, live):
    with Journal(live.events) as journal:
        for n in range(1000):
            journal.write(ev.Alert(text=f"alert {n}"))
    async with console(book, size=WIDE) as shown:
        await shown.press("2")
        said = shown.said("verdict")
        assert "alerts, the newest 50 of 1000" in said
        assert "alert 999" in said
        assert "alert 950" in said
        assert "alert 949" not in said
