"""Gates, end to end: a stage starts on evidence of the same experiment, or on a typed reason."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from drill import FAST, atft
from small_book import SETS, begin, events, plan, run_stage, write_book

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory
from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def passed(place, panel):
    """A runbook whose dry run has met its criteria, and that dry run."""
    book = write_book(place / "passed")
    run_stage("dry", book, panel)
    return book, RunDirectory(book.parent / "dry")


@pytest.fixture(scope="module")
def ad_hoc(place, panel):
    """An ad hoc run that lies where a runbook's dry run would lie."""
    book = write_book(place / "ad_hoc")
    atft(
        "hpo", "--data-path", panel, "--n-trials", 1, "--max-epochs", 2, "--study-name", "s",
        "--output-dir", book.parent / "dry", *SETS,
    )  # fmt: skip
    return book, RunDirectory(book.parent / "dry")


def refused(stage, book, panel, *extra):
    """What a start that the gate refuses says."""
    command = [
        sys.executable, "-m", "atft_core", "run", stage, "--runbook", book, "--data-path", panel,
        *SETS, *extra,
    ]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 4, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_without_evidence_a_stage_does_not_start_and_says_how_it_could(place, panel):
    book = write_book(place / "empty")
    said = refused("short", book, panel)
    assert "Stage short is locked: no run of 'dry stage' counts" in said
    assert str(book.parent / "dry") in said
    assert f"atft run dry --runbook {book} --data-path {panel}" in said
    assert f"--data-path {panel}" in plan("short", book, panel)["gate"]["reason"]
    assert re.search(r"atft run short --runbook \S+ --override-gate", said)
    assert not (book.parent / "short").exists()


def test_a_missed_criterion_keeps_the_gate_closed_and_is_named(passed, panel):
    book, dry = passed
    strict = write_book(book.parent / "strict", bar=0.9)
    strict.write_text(strict.read_text().replace(str(strict.parent), str(book.parent)))
    said = refused("short", strict, panel)
    assert f"dry stage in {dry.path} has open criteria: FAIL val RankIC h1" in said
    assert "(wanted > .900), trial 0, epoch 2" in said
    assert "waiting for data" not in said
    assert re.search(r"atft run short --runbook \S+ --override-gate", said)
    assert not (book.parent / "short").exists()


def test_a_passed_dry_run_opens_the_gate_and_is_on_record_as_evidence(passed, panel):
    book, dry = passed
    gate = plan("short", book, panel)["gate"]
    assert (gate["open"], gate["evidence"]) == (True, str(dry.path))
    run = begin("short", book, panel)
    assert run.path == book.parent / "short"
    assert (run.facts()["evidence"], run.facts()["override"]) == (str(dry.path), "")
    assert "locked: no run of 'short stage' counts" in refused("full", book, panel)


def test_another_configuration_closes_the_gate_again(passed, panel):
    book, dry = passed
    said = refused("short", book, panel, "--set", "model.hidden=32")
    assert f"{dry.path}: has another configuration (model.hidden = 16, not 32)" in said
    assert plan("short", book, panel, "--set", "train.max_epochs=7")["gate"]["open"]


def test_another_panel_closes_the_gate_again(passed, place, panel):
    other = place / "other.parquet"
    atft("synth", other, "--stocks", 60, "--days", 360, "--seed", 1)
    said = refused("short", passed[0], other)
    assert f"{passed[1].path}: has other data" in said
    assert "configuration" not in said
    moved = place / "moved" / "renamed.parquet"
    shutil.copytree(panel.parent, moved.parent)
    (moved.parent / panel.name).rename(moved)
    assert plan("short", passed[0], moved)["gate"]["open"], "the same data in another place"


def test_an_override_with_a_reason_starts_and_stays_on_record(place, panel):
    book = write_book(place / "override")
    run = begin("full", book, panel, "--override-gate", "  the box leaves at noon ")
    assert events(run, ev.RunStarted)[0].override == "the box leaves at noon"
    assert run.facts()["override"] == "the box leaves at noon"
    assert run.facts()["evidence"] is None
    status = json.loads(atft("status", run.path, "--json"))
    assert status["override"] == "the box leaves at noon"
    empty = write_book(place / "no_reason")
    assert "locked" in refused("full", empty, panel, "--override-gate", "   ")
    run = begin("dry", empty, panel, "--override-gate", "to be sure")
    assert events(run, ev.RunStarted)[0].override == "", "its gate was open"
    assert run.facts()["override"] == ""


def test_an_ad_hoc_run_opens_nothing(ad_hoc, panel):
    book, run = ad_hoc
    assert f"{run.path}: was ad hoc" in refused("short", book, panel)


def test_check_says_with_its_exit_code_whether_the_criteria_are_met(passed, place):
    dry = passed[1]
    assert "dry stage: PASS (run FINISHED)" in atft("check", dry.path)
    strict = write_book(place / "strict", bar=0.9)
    said = atft("check", dry.path, "--runbook", strict, code=3)
    assert "XX FAIL" in said
    assert "dry stage: FAIL" in said


def test_check_prints_the_documented_fields(passed):
    found = json.loads(atft("check", passed[1].path, "--json"))
    assert (found["verdict"], found["stage"], found["ad_hoc"]) == ("PASS", "dry", False)
    rows = {row["name"]: row for row in found["criteria"]}
    assert set(rows) == {"stall_share", "no_crash", "all_batches", "val_rank_ic"}
    documented = {
        "name", "verdict", "value", "minimum", "target", "n", "stderr", "horizon", "source",
    }  # fmt: skip
    assert all(row.keys() >= documented for row in rows.values())
    assert {row["verdict"] for row in rows.values()} == {"PASS"}
    metrics = json.loads(passed[1].trial(0).metrics.read_text())["epochs"][-1]["val"]["1"]
    row = rows["val_rank_ic"]
    assert (row["value"], row["stderr"]) == (metrics["rank_ic"], metrics["rank_ic_se"])
    assert (row["n"], row["horizon"]) == (metrics["days"], 1)
    assert (row["minimum"], row["target"], row["source"]) == (-0.9, -0.5, "trial 0, epoch 2")


def test_an_ad_hoc_run_is_judged_by_the_stage_that_is_named(ad_hoc, place):
    book, run = ad_hoc
    atft("check", run.path, code=2)
    found = json.loads(atft("check", run.path, "--stage", "dry", "--runbook", book, "--json"))
    assert (found["verdict"], found["stage"], found["ad_hoc"]) == ("PASS", "dry", True)
    strict = write_book(place / "strict_ad_hoc", bar=0.9)
    atft("check", run.path, "--stage", "dry", "--runbook", strict, code=3)


def test_the_same_stage_again_goes_into_a_directory_beside_the_first(passed, panel):
    book, dry = passed
    before = dry.events.read_bytes()
    again = begin("dry", book, panel)
    assert again.path == book.parent / "dry.2"
    assert begin("dry", book, panel).path == book.parent / "dry.3"
    assert dry.events.read_bytes() == before
    assert load(again).study_name == load(dry).study_name == "book_dry"
    gate = plan("short", book, panel)["gate"]
    assert (gate["open"], gate["evidence"]) == (True, str(dry.path)), "stopped runs do not count"


def test_settings_of_the_stage_reach_the_run(passed):
    config = passed[1].config.read_text()
    assert all(text.partition(".")[2].replace("=", " = ") in config for text in FAST if "." in text)
    (started,) = events(passed[1], ev.RunStarted)
    assert (started.stage, started.n_trials, started.max_epochs) == ("dry", 1, 2)
