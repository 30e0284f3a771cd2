"""A user's command: what it gets, and that nothing it does holds anybody up."""

import json
import os
import time

import pytest

from atft_core.notify.hook import run_hook
from atft_core.run.processes.alive import start_time

PATIENCE = 30.0


def until(condition):
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_it_gets_the_alert_as_json_and_as_environment_names(script, alert, tmp_path):
    hook = script("""
import json, os, sys
found = {"given": json.load(sys.stdin), "argv": sys.argv[1:],
         "environ": {k: v for k, v in os.environ.items() if k.startswith("ATFT_ALERT_")}}
open(sys.argv[1], "w").write(json.dumps(found))
""")
    out = tmp_path / "got $(touch owned); x"
    assert run_hook([str(hook), str(out)], alert, PATIENCE) == ""
    found = json.loads(out.read_text())
    assert found["given"] == alert.json()
    assert found["argv"] == [str(out)], "no shell has looked at it"
    assert found["environ"] == {
        "ATFT_ALERT_KEY": "trial_failed", "ATFT_ALERT_LEVEL": "warning",
        "ATFT_ALERT_TEXT": "trial 3 failed: no memory", "ATFT_ALERT_SINCE": "5.0",
        "ATFT_ALERT_ENDED": "False", "ATFT_ALERT_RUN": "/runs/short",
        "ATFT_ALERT_STAGE": "short sweep", "ATFT_ALERT_HOST": "box",
    }  # fmt: skip
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('no network'); sys.exit(3)", "ended with exit code 3: no network"),
        ("import sys; sys.exit('to stderr')", "ended with exit code 1: to stderr"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("print('\\x1b]0;owned\\x07x'); raise SystemExit(2)", "ended with exit code 2: x"),
    ],
)
def test_why_it_failed_is_told_with_what_it_said(script, alert, code, said):
    assert run_hook([str(script(code))], alert, PATIENCE) == said


@pytest.mark.parametrize("code", ["", "print('fine')", "import sys; sys.stdin.close()"])
def test_one_that_works_says_nothing_whether_or_not_it_reads(script, alert, code):
    assert run_hook([str(script(code))], alert, PATIENCE) == ""


def test_one_that_is_not_there_or_not_executable_is_named(script, alert, tmp_path):
    assert "No such file" in run_hook([str(tmp_path / "nowhere")], alert, 5)
    hook = script("")
    hook.chmod(0o644)
    assert "Permission denied" in run_hook([str(hook)], alert, 5)


def test_one_that_hangs_is_killed_with_its_children(script, alert, tmp_path):
    pid = tmp_path / "pid"
    hook = script(f"""
import subprocess, time
child = subprocess.Popen(["sleep", "1000"])
open({str(pid)!r}, "w").write(str(child.pid))
time.sleep(1000)
""")
    assert run_hook([str(hook)], alert, 2) == "was killed after 2 s"
    number = int(pid.read_text())

    until(lambda: start_time(number) == 0.0)


def test_megabytes_are_read_and_thrown_away(script, alert):
    hook = script("import sys\nfor _ in range(64): print('x' * (1 << 20))\nsys.exit(1)")
    said = run_hook([str(hook)], alert, PATIENCE)
    assert said.startswith("ended with exit code 1: xxx")
    assert len(said) < 500


def test_a_child_that_it_leaves_behind_is_not_waited_for(script, alert, tmp_path):
    pid = tmp_path / "pid"
    hook = script(f"""
import subprocess
child = subprocess.Popen(["sleep", "1000"])  # with the output of the hook
open({str(pid)!r}, "w").write(str(child.pid))
""")
    began = time.monotonic()
    try:
        assert run_hook([str(hook)], alert, 600) == ""
        assert time.monotonic() - began < 300
    finally:
        os.kill(int(pid.read_text()), 9)


def test_a_child_that_goes_on_writing_is_not_waited_for_either(script, alert, tmp_path):
    hook = script("""
import subprocess
subprocess.Popen(["yes"])
raise SystemExit(4)
""")
    began = time.monotonic()
    assert run_hook([str(hook)], alert, 600).startswith("ended with exit code 4")
    assert time.monotonic() - began < 300
