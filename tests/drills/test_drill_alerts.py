"""Alerts of real runs: each once through the hook, whatever is killed; a bad hook harms nothing."""

import json
import sys
import time

import pytest
from drill import ALL, assert_log_equals_study, atft, kill, start, wait_for, wait_for_end
from small_book import run_stage, write_book

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def hook(home):
    """Install a hook; what `keep` told so far."""

    def install(code: str) -> None:
        script = home / "hook"
        script.write_text(f"#!{sys.executable}\n{code}\n")
        script.chmod(0o755)
        folder = home / "config" / "atft"
        folder.mkdir(parents=True)
        (folder / "notify.toml").write_text(f'hook = ["{script}"]\nhook_seconds = 2\n')

    return install


@pytest.fixture
def told(home, hook):
    """A hook that appends what it gets; the keys so far, once they are enough."""
    log = home / "told"
    hook(f"import sys; open({str(log)!r}, 'a').write(sys.stdin.read())")

    def read(enough) -> list[str]:
        give_up = time.monotonic() + 60
        while True:
            lines = log.read_text().splitlines() if log.exists() else []
            keys = [json.loads(line)["key"] for line in lines]
            if enough(keys):
                return keys
            assert time.monotonic() < give_up, keys
            time.sleep(0.05)

    return read


def test_each_alert_comes_once_although_worker_and_engine_are_killed(panel, home, told):
    run = start(panel, home / "out", trials=1, epochs=25)
    state = wait_for(run, lambda s: 0 in s.trials and len(s.trials[0].epochs) >= 2)
    kill(state.trials[0].pid)
    state = wait_for(run, lambda s: s.trials[0].crashes == 1 and s.trials[0].pid > 0)
    told(lambda keys: "worker_lost" in keys)
    kill(state.engine_pid)
    atft("resume", run.path)
    state, _ = wait_for_end(run)
    expected = [alert.key for alert in state.alerts if alert.key != "other"]
    assert expected == ["worker_lost", "finished"]
    keys = told(lambda keys: len(keys) >= len(state.alerts))
    assert [key for key in keys if key != "other"] == expected
    assert len(keys) == len(state.alerts)


def test_a_stage_that_passes_tells_its_verdict_and_the_gate(panel, home, told):
    book = write_book(home)
    book.write_text(book.read_text().replace('{ name = "gpu_utilisation", minimum = 40 },', ""))
    run_stage("dry", book, panel)
    found = json.loads(atft("status", home / "dry", "--json"))["alerts"]
    assert [a["text"] for a in found if a["key"] == "finished"] == [
        "dry stage FINISHED: PASS, 3 of 3 criteria"
    ]
    assert [a["text"] for a in found if a["key"] == "gate_opened"] == [
        "dry stage passed: short stage may start"
    ]
    assert sorted(told(lambda keys: len(keys) >= len(found))) == sorted(a["key"] for a in found)


BAD = {
    "hangs": "import time; time.sleep(1000)",
    "fails": "raise SystemExit('no route to host')",
    "floods": "while True: print('x' * 100000)",
    "forks": "import subprocess; subprocess.Popen(['sleep', '3']); raise SystemExit(5)",
}


@pytest.mark.parametrize("kind", BAD if ALL else list(BAD)[:2])
def test_a_bad_hook_is_told_once_and_the_run_never_notices(panel, home, hook, kind):
    hook(BAD[kind])
    run = start(panel, home / "out", trials=1, epochs=25)
    state = wait_for(run, lambda s: 0 in s.trials and len(s.trials[0].epochs) >= 1)
    kill(state.trials[0].pid)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert state.trials[0].state == "COMPLETE"
    assert state.trials[0].crashes == 1
    assert_log_equals_study(run)
    complaints = [alert.text for alert in state.alerts if alert.key == "notify"]
    assert len(complaints) == 1, complaints
    assert complaints[0].startswith("alerts do not get through, hook: ")
    assert complaints[0] in run.log.read_text()
