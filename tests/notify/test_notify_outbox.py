"""The engine's side: real processes on real hooks, and an engine that never waits."""

import json
import os
import signal
import time
from dataclasses import replace

import pytest

from atft_core.notify.deliver import wanted
from atft_core.notify.outbox import BATCH, WAITING, Outbox
from atft_core.notify.settings import Settings, load

PATIENCE = 60.0


@pytest.fixture
def outbox():
    """An outbox whose processes are waited for: those of an engine outlive it."""
    made = Outbox()
    yield made
    for process in made.left:
        with process.stdout:
            process.wait(PATIENCE)


@pytest.fixture
def told(tmp_path, script, write):
    """A hook that appends what it gets; the texts it got so far."""
    log = tmp_path / "told"
    hook = script(f"import sys; open({str(log)!r}, 'a').write(sys.stdin.read())")
    write(f'hook = ["{hook}"]')
    return lambda: [json.loads(line)["text"] for line in log.read_text().splitlines()]


def run_until_idle(outbox):
    """Turn it as the engine does; everything that failed."""
    failures, give_up = outbox.turn(), time.monotonic() + PATIENCE
    while outbox.busy:
        assert time.monotonic() < give_up
        time.sleep(0.02)
        failures += outbox.turn()
    return failures


def numbered(alert, count):
    return [replace(alert, text=f"alert {n}") for n in range(count)]


def test_each_message_is_told_once_and_in_order(outbox, told, alert):
    outbox.put(load(), numbered(alert, 3))
    outbox.turn()
    outbox.put(load(), [replace(alert, text="later")])
    assert run_until_idle(outbox) == []
    assert told() == ["alert 0", "alert 1", "alert 2", "later"]


def test_the_last_messages_are_told_although_the_engine_ends(outbox, told, alert):
    outbox.put(load(), numbered(alert, BATCH + 2))
    outbox.close()
    give_up = time.monotonic() + PATIENCE
    while len(told()) < BATCH + 2:
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert sorted(told()) == sorted(m.text for m in numbered(alert, BATCH + 2))


def test_what_waits_behind_a_hook_that_hangs_is_sent_at_the_end(
    outbox, script, write, alert, tmp_path
):
    log, pid = tmp_path / "told", tmp_path / "pid"
    hook = script(f"""
import json, os, sys, time
text = json.load(sys.stdin)["text"]
if text == "hangs":
    open({str(pid)!r}, "w").write(str(os.getpid()))
    time.sleep(1000)
open({str(log)!r}, "a").write(text)
""")
    write(f'hook = ["{hook}"]\nhook_seconds = 300')
    outbox.put(load(), [replace(alert, text="hangs")])
    outbox.turn()
    outbox.put(load(), [replace(alert, text="the end")])
    outbox.close()
    give_up = time.monotonic() + PATIENCE
    try:
        while not (log.exists() and pid.exists() and log.read_text() == "the end"):
            assert time.monotonic() < give_up
            time.sleep(0.02)
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_failure_is_told_once_until_the_hook_has_worked_again(
    outbox, script, write, alert, tmp_path
):
    flag = tmp_path / "well"
    hook = script(f"import os, sys; sys.exit(0 if os.path.exists({str(flag)!r}) else 'no route')")
    write(f'hook = ["{hook}"]')

    def send():
        outbox.put(load(), [alert])
        return run_until_idle(outbox)

    assert send() == ["alerts do not get through, hook: ended with exit code 1: no route"]
    assert send() == []
    flag.touch()
    assert send() == []
    flag.unlink()
    assert len(send()) == 1


def test_a_hook_that_hangs_never_stops_the_engine(outbox, script, write, alert):
    hook = script("import time; time.sleep(1000)")
    write(f'hook = ["{hook}"]\nhook_seconds = 1')
    outbox.put(load(), [alert])
    give_up, failures, turns = time.monotonic() + PATIENCE, [], 0
    while not failures:
        assert time.monotonic() < give_up
        failures = outbox.turn()
        turns += 1
        time.sleep(0.02)
    assert failures == ["alerts do not get through, hook: was killed after 1 s"]
    assert turns > 10, "a turn of it only looks"


def test_too_many_at_once_are_counted_and_said(outbox, told, alert):
    outbox.put(load(), numbered(alert, WAITING + 7))
    assert outbox.turn() == ["7 alerts not sent: too many at once"]
    outbox._waiting.clear()
    run_until_idle(outbox)
    assert told() == [m.text for m in numbered(alert, BATCH)]


def test_the_longest_possible_messages_fit(outbox, told, alert):
    outbox.put(load(), [replace(alert, text="\u20ac" * 1000) for _ in range(BATCH)])
    assert run_until_idle(outbox) == []
    assert told() == ["\u20ac" * 1000] * BATCH


def test_a_file_that_was_put_right_meanwhile_counts(outbox, told, write, alert):
    outbox.put(load(), [alert])
    write('hook = ["/nowhere"]')
    assert "No such file" in run_until_idle(outbox)[0]


@pytest.mark.parametrize(
    ("changes", "level", "key", "goes"),
    [
        ({}, "error", "hung", False),
        ({"hook": ("x",)}, "info", "finished", True),
        ({"hook": ("x",), "hook_level": "error"}, "warning", "rule", False),
        ({"hook": ("x",), "silent": ("rule",)}, "error", "rule", False),
        ({"hook": ("x",)}, "error", "notify", False),
        ({"urls": ("json://x",)}, "info", "finished", False),
        ({"urls": ("json://x",)}, "warning", "hung", True),
        ({"urls": ("json://x",), "urls_level": "off"}, "error", "hung", False),
    ],
)
def test_who_wants_to_be_told_what(alert, changes, level, key, goes):
    assert wanted(Settings(**changes), replace(alert, level=level, key=key)) is goes


def test_switched_off_nothing_is_sent(outbox, told, alert, monkeypatch):
    monkeypatch.setenv("ATFT_NOTIFY", "off")
    outbox.put(load(), [alert])
    assert not outbox.busy
