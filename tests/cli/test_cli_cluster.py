"""The token of a cluster is for its owner alone."""

import os

from atft_core.cli.cluster import _address_in, _token


def test_a_token_that_others_could_read_is_theirs_no_more(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("RAY_AUTH")]:
        monkeypatch.delenv(name)
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("a" * 48)
    token.chmod(0o644)
    assert _token(joins=True) == 0
    assert token.stat().st_mode & 0o777 == 0o600
    assert "could be read by others" in capsys.readouterr().err
    assert _token(joins=True) == 0 and not capsys.readouterr().err
    token.unlink()
    assert _token(joins=True) == 2, "a machine that joins brings it along"


def test_where_the_head_can_be_joined_is_told_by_ray():
    said = "Usage stats: off.\n\n\x1b[37mLocal node IP\x1b[39m: \x1b[1m10.0.0.1\x1b[22m\n"
    assert _address_in(said) == "10.0.0.1"
    assert _address_in("Local node IP: fd00::1\n") == "fd00::1"
    assert _address_in("something else") == "THIS_MACHINE"
