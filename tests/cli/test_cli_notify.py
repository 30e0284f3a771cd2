"""`atft notify`: the settings with their origins, and a test that goes through every channel."""

import json
import os
import pty
import subprocess
import sys

import pytest


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write notify.toml."""
    monkeypatch.delenv("ATFT_NOTIFY", raising=False)

    def write(text):
        path = tmp_path / "config" / "atft" / "notify.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def hook(tmp_path):
    """A hook that keeps what it gets."""
    path = tmp_path / "hook"
    path.write_text(f"#!{sys.executable}\nimport sys\nopen('got', 'w').write(sys.stdin.read())\n")
    path.chmod(0o755)
    return path


def test_it_lists_every_key_with_its_origin(atft, write):
    done = atft("notify")
    assert done.code == 0
    assert "(not there: all defaults)" in done.out
    write('bell = "error"\nurls = ["slack://hunter2/x"]')
    done = atft("notify")
    lines = {line.split(" = ")[0]: line for line in done.out.splitlines()}
    assert 'bell = "error"' in lines["bell"]
    assert "# file " in lines["bell"]
    assert "# default " in lines["osc9"]
    assert 'urls = ["slack://..."]' in lines["urls"]
    assert "hunter2" not in done.out


def test_the_list_is_a_file_that_can_be_used(atft, write):
    write(atft("notify").out)
    found = json.loads(atft("notify", "--json").out)
    assert found["exists"]
    assert found["keys"]["gpu_idle_minutes"]["value"] == 10.0
    assert "default" not in {key["origin"] for key in found["keys"].values()}


def test_a_wrong_file_is_named_with_the_nearest_key(atft, write):
    path = write('osc99 = "info"')
    for words in (("notify",), ("notify", "--test"), ("notify", "--json")):
        done = atft(*words)
        assert (done.code, done.out) == (2, "")
        assert f"{path}: unknown key osc99 (did you mean osc9" in done.err
        assert "Traceback" not in done.err


def test_a_test_goes_through_the_hook(atft, write, hook, tmp_path):
    write(f'hook = ["{hook}"]\nhook_level = "error"')
    done = atft("notify", "--test")
    assert done.code == 0
    assert "hook     sent" in done.out
    assert "bell     not tried: there is no terminal here" in done.out
    got = json.loads((tmp_path / "got").read_text())
    assert (got["key"], got["text"]) == ("test", "this is a test of the notifications")


def test_one_channel_that_fails_is_enough_for_exit_code_1(atft, write):
    write('hook = ["/nowhere/page"]\nurls = ["nosuchservice://hunter2"]\nbell = "off"')
    done = atft("notify", "--test", "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert not found["ok"]
    answers = {each["channel"]: each["why_not"] for each in found["channels"]}
    assert "No such file" in answers["hook"]
    assert answers["webhook 1 (nosuchservice://...)"]
    assert "bell" not in answers
    assert "hunter2" not in done.out + done.err


def test_switched_off_a_test_says_so(atft, write, hook, monkeypatch, tmp_path):
    write(f'hook = ["{hook}"]')
    monkeypatch.setenv("ATFT_NOTIFY", "off")
    assert "nothing is told" in atft("notify").out
    done = atft("notify", "--test")
    assert done.code == 2
    assert "ATFT_NOTIFY=off switches all of it off" in done.err
    assert not (tmp_path / "got").exists()


def test_on_a_terminal_it_rings_and_notifies(write, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write('osc777 = "off"')
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "atft_core", "notify", "--test"]
    environ = {**os.environ, "TERM": "xterm-256color"} | {"TMUX": ""}
    done = subprocess.run(command, stdin=follower, stdout=subprocess.PIPE, stderr=follower,
                          env=environ, timeout=120, check=True, text=True)  # fmt: skip
    os.close(follower)
    got = os.read(leader, 1 << 16)
    os.close(leader)
    assert b"\a\x1b]9;atft warning: test: this is a test of the notifications\a" in got
    assert b"]777;" not in got
    assert "bell     sent" in done.stdout
    assert "osc777" not in done.stdout


def test_names_that_are_about_alerts_are_no_settings_of_a_run(atft, monkeypatch):
    monkeypatch.setenv("ATFT_NOTIFY", "off")
    monkeypatch.setenv("ATFT_ALERT_KEY", "hung")
    assert atft("config", "show").code == 0
