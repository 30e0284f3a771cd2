"""A console that is opened on a run starts the next stage as that run was started."""

import json

import pytest
import tui_run

from atft_tui.cli import _options, parser


@pytest.fixture
def run(book):
    return tui_run.finished_dry_run(book)


def started_with(run, cwd, *words):
    facts = json.loads(run.run_json.read_text())
    facts |= {"argv": ["/usr/bin/atft", "run", "dry", *words], "cwd": str(cwd)}
    run.run_json.write_text(json.dumps(facts))


def options(book, *args):
    found = _options(book, parser().parse_args([str(arg) for arg in args]))
    return found[found.index("--runbook") + 2 :] if "--runbook" in found else found


def test_settings_and_panel_are_those_of_the_run(book, run, tmp_path):
    (tmp_path / "mine.toml").write_text("")
    started_with(
        run, tmp_path, "--data-path", "p.parquet", "--config", "objective/rank",
        "--config=mine.toml", "--set", "model.hidden=64", "--detach", "--then", "short",
    )  # fmt: skip
    (tmp_path / "p.parquet").write_text("")
    assert options(book, run.path) == [
        "--data-path", str(tmp_path / "p.parquet"), "--config", "objective/rank",
        "--config", str(tmp_path / "mine.toml"), "--set", "model.hidden=64",
    ]  # fmt: skip


def test_what_is_typed_for_the_console_wins(book, run, tmp_path):
    started_with(run, tmp_path, "--config", "objective/rank")
    assert options(book, run.path, "--config", "other.toml") == ["--config", "other.toml"]


@pytest.mark.parametrize("facts", ["", "[]", '{"argv": ["atft", "--config"]}', "{}"])
def test_a_run_that_does_not_say_gives_nothing(book, run, facts):
    run.run_json.write_text(facts)
    assert options(book, run.path) == []


def test_without_a_run_there_is_nothing_to_go_by(book, tmp_path):
    assert options(book) == []
    assert options(book, tmp_path) == []


def test_the_plug_ins_of_a_run_are_named_and_not_allowed(book, run, tmp_path):
    started_with(run, tmp_path, "--plugin", "evil.py", "--plugin=more.py")
    names = json.dumps([str(tmp_path / "evil.py"), str(tmp_path / "more.py")])
    found = options(book, run.path)
    assert found == ["--set", f"plugins.files={names}"] and "--plugin" not in found
