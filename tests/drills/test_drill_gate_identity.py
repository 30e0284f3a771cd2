"""Evidence counts for the code and the kind of data that it was made with, and for no other."""

import shutil
from pathlib import Path

import pytest
from small_book import plan, run_stage, write_book

import atft_core
from atft_core.run.directory import RunDirectory
from atft_core.run.shipped import shipped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def passed(place, panel):
    """A demo runbook whose dry run has met its criteria, and that dry run."""
    book = write_book(place)
    book.write_text(book.read_text().replace("demo = false", "demo = true"))
    run_stage("dry", book, panel)
    return book, RunDirectory(place / "dry")


def test_demo_evidence_opens_demo_stages_and_no_others(passed, panel):
    book, dry = passed
    gate = plan("short", book, panel)["gate"]
    assert (gate["open"], gate["evidence"]) == (True, str(dry.path))
    real = book.with_name("real.toml")
    real.write_text(book.read_text().replace("demo = true", "demo = false"))
    gate = plan("short", real, panel)["gate"]
    assert (gate["open"], gate["evidence"]) == (False, None)
    assert f"{dry.path}: has demo data" in gate["reason"]
    run_stage("short", real, panel, "--detach", code=4)
    assert not (book.parent / "short").exists()


def test_another_version_of_the_code_closes_the_gate_again(passed, panel, tmp_path, monkeypatch):
    book, dry = passed
    copy = tmp_path / "src" / "atft_core"
    source = Path(atft_core.__file__).parent
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(shipped("runbook.toml").parent, copy / "configs", dirs_exist_ok=True)
    monkeypatch.setenv("PYTHONPATH", str(copy.parent))
    assert plan("short", book, panel)["gate"]["open"], "the same code in another place"
    loop = copy / "train" / "loop.py"
    loop.write_text(loop.read_text() + "\n# one line more\n")
    gate = plan("short", book, panel)["gate"]
    assert not gate["open"]
    assert f"{dry.path}: has another version of the code" in gate["reason"]
    assert "atft run dry" in gate["reason"]
