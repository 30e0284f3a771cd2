"""notify.toml: what it may say, what is refused, and that addresses are never shown."""

import os
from dataclasses import fields

import pytest

from atft_core.errors import ConfigError
from atft_core.notify.settings import Settings, load, load_or_default, meanings


def refusal():
    with pytest.raises(ConfigError) as refused:
        load()
    return str(refused.value)


def test_without_a_file_problems_ring_and_the_desktop_is_told():
    loaded = load()
    assert loaded.settings == Settings()
    assert (loaded.settings.bell, loaded.settings.osc9, loaded.settings.osc777) == (
        "warning", "info", "info")  # fmt: skip
    assert loaded.settings.hook == loaded.settings.urls == ()
    assert set(loaded.origins.values()) == {"default"}
    assert not loaded.off


def test_a_file_says_where_each_value_is_from(write):
    path = write('bell = "off"\nhook = ["/bin/page", "--now"]\nsilent = ["rule"]\n')
    loaded = load()
    assert loaded.settings.bell == "off"
    assert loaded.settings.hook == ("/bin/page", "--now")
    assert loaded.settings.silent == ("rule",)
    assert loaded.origins["bell"] == str(path)
    assert loaded.origins["osc9"] == "default"
    assert loaded.origins.keys() == meanings().keys() == {f.name for f in fields(Settings)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('bel = "off"', "unknown key bel (did you mean bell?)"),
        ("[hook]\ncommand = 1", "must be a list of texts"),
        ('bell = "loud"', "must be one of info, warning, error or off"),
        ("bell = 3", "must be one of info, warning, error or off"),
        ('hook = "rm -rf x"', "must be a list of texts"),
        ('hook = ["a\\u0000b"]', "must be plain text"),
        ('silent = ["trial_fail"]', "(did you mean trial_failed?)"),
        ("hook_seconds = 0", "must be a number from 1 to 300"),
        ("hook_seconds = true", "must be a number"),
        ("hook_seconds = nan", "must be a number"),
        ("gpu_idle_below = 101", "must be a number from 0 to 100"),
        ("gpu_idle_below = 50\ngpu_busy_above = 40", "gpu_busy_above = 40 is below"),
        ("bell = ", "is not valid TOML"),
        ('bell = "off"\nbell = "off"', "is not valid TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_key(write, text, said):
    path = write(text)
    found = refusal()
    assert said in found
    assert str(path) in found


def test_all_that_is_wrong_is_said_at_once(write):
    write('bel = "off"\nhook_seconds = 0\n')
    found = refusal()
    assert "bel" in found
    assert "hook_seconds" in found


def test_a_wrong_address_is_not_shown(write):
    write('urls = ["slack://secret", 5]')
    found = refusal()
    assert "urls = ...: must be a list" in found
    assert "secret" not in found


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "notify.toml").write_bytes(b'bell = "\xff"')
    assert "is not valid TOML" in refusal()


def test_a_directory_in_its_place_is_refused(folder):
    (folder / "notify.toml").mkdir()
    assert str(folder / "notify.toml") in refusal()


def test_a_pipe_in_its_place_keeps_nobody_waiting(folder):
    os.mkfifo(folder / "notify.toml", 0o600)
    assert "is not a file" in refusal()


def test_a_file_nested_beyond_reason_is_refused(write):
    write("bell = " + "[" * 100_000)
    assert "is not valid TOML" in refusal()


def test_a_hook_may_be_named_from_home(write, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    write('hook = ["~/bin/page", "~"]')
    assert load().settings.hook == ("/home/me/bin/page", "~")
    write('hook = ["~nobody_at_all/page"]')
    assert "there is no such user" in refusal()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_obeyed(write, mode):
    path = write('hook = ["/bin/page"]', mode)
    found = refusal()
    assert f"may be written by others (mode {mode:04o})" in found
    assert f"chmod go-w {path}" in found
    loaded, complaint = load_or_default()
    assert loaded.settings == Settings()
    assert "may be written by others" in complaint
    assert f"chmod go-w {path}" in complaint
    assert "told by the defaults" in complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_obeyed(write):
    os.chown(write('bell = "off"'), 65534, 65534)
    assert "belongs to another user" in refusal()


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false"])
def test_one_name_switches_everything_off(write, monkeypatch, value):
    monkeypatch.setenv("ATFT_NOTIFY", value)
    assert load().off
    write("nonsense = 1")
    assert load_or_default()[0].off


def test_a_switch_that_is_neither_on_nor_off_is_refused(monkeypatch):
    monkeypatch.setenv("ATFT_NOTIFY", "perhaps")
    assert "neither on nor off" in refusal()
