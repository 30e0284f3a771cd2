"""The URL of a database: where it may stand, and that its password is shown nowhere."""

import pytest

from atft_core.config.environment import read_environment
from atft_core.config.load import resolve, with_values
from atft_core.config.schema import Config
from atft_core.config.secret import find_url, redacted
from atft_core.errors import ConfigError

URL = "postgresql://me:pa55-word@db.example:5432/studies"


def test_a_password_in_a_url_is_never_shown():
    assert redacted(f"connect to {URL} failed") == (
        "connect to postgresql://me:***@db.example:5432/studies failed"
    )
    assert redacted("postgresql://me@host:5432/db") == "postgresql://me@host:5432/db"
    for hidden in ("://me:pa/ss@host/db", "://me:p@ss:w@host/db", "://host/db?user=me&password=x",
                   "://:word@host/db", "://host/db?PASSWORD=x&a=1"):  # fmt: skip
        shown = redacted(f"postgresql{hidden}")
        assert "***" in shown and not any(
            word in shown for word in ("pa/ss", "p@ss", "word@", "=x")
        )
        with pytest.raises(ConfigError, match="mode 0600"):
            with_values(Config(), {"engine.storage": f"postgresql{hidden}"})
    assert redacted("at 10:30 a@b") == "at 10:30 a@b"


@pytest.mark.parametrize("origin", ["flag", "assignment"])
def test_a_url_with_a_password_is_refused_and_not_repeated(origin):
    given = {"flags": {"engine.storage": URL}} if origin == "flag" else {
        "assignments": [f"engine.storage={URL}"]}  # fmt: skip
    with pytest.raises(ConfigError) as found:
        resolve(**given)
    assert "mode 0600" in str(found.value)
    assert "pa55-word" not in str(found.value) + found.value.hint


def test_the_environment_says_where_and_never_what(monkeypatch):
    values, notices = read_environment({"ATFT_STORAGE": URL})
    assert values == {"engine.storage": "environment"}
    assert [(n.name, n.value) for n in notices] == [("ATFT_STORAGE", "***")]
    assert find_url("environment", {"ATFT_STORAGE": URL}) == URL
    with pytest.raises(ConfigError, match="ATFT_STORAGE in the environment holds no URL"):
        find_url("environment", {})


def test_a_file_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "url"
    file.write_text(URL + "\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="may be read by others") as found:
        find_url(str(file))
    assert "chmod 600" in found.value.hint
    file.chmod(0o600)
    assert find_url(str(file)) == URL
    file.write_text("mysql://x")
    with pytest.raises(ConfigError, match="holds no URL"):
        find_url(str(file))
    with pytest.raises(ConfigError, match="cannot read"):
        find_url(str(tmp_path / "nowhere"))


def test_a_url_without_a_password_is_one_and_others_are_none():
    config = with_values(Config(), {"engine.storage": "postgresql://db.example/studies"})
    assert find_url(config.engine.storage) == "postgresql://db.example/studies"
    with pytest.raises(ConfigError, match="only postgresql"):
        with_values(Config(), {"engine.storage": "mysql://db.example/studies"})


def test_a_grid_belongs_to_one_run():
    with pytest.raises(ConfigError, match="a grid belongs to one run"):
        with_values(Config(), {"engine.storage": "environment", "engine.sampler": "grid"})
