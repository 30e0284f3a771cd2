"""A gate opens on evidence made under the same rules, and says why it does not."""

from dataclasses import replace
from pathlib import Path

import pytest
from run_builders import IDENTITY, Log, dry_run, metrics, written

from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_core.run.judge.criteria import Verdict, check
from atft_core.run.judge.gates import following, gate, still_needs
from atft_core.run.runbook import load as load_book
from atft_core.run.runbook import shipped
from atft_core.run.snapshot import save
from atft_core.run.stages import stage_to_json
from atft_core.run.state import State
from atft_core.run.status import evidence, load


@pytest.fixture
def book(tmp_path):
    """The shipped runbook with its directories below tmp_path."""
    found = load_book(shipped("runbook.toml"))
    stages = tuple(replace(s, output_dir=tmp_path / s.output_dir.name) for s in found.stages)
    return replace(found, stages=stages)


def keep(book, log, created=0.0):
    return written(log, book.stage("dry").output_dir, created)


def test_the_first_stage_is_open(book):
    assert gate(book, book.stage("dry"), IDENTITY).open


def test_a_stage_without_evidence_is_locked_and_says_how_to_get_some(book):
    found = gate(book, book.stage("short"), IDENTITY)
    assert (found.open, found.evidence) == (False, None)
    assert "atft run dry" in found.reason
    assert "atft run short --override-gate" in found.reason


def test_what_is_advised_is_the_same_experiment(book):
    typed = ["atft", "run", "short", "--data-path", "my panel.parquet", "--until", "07:00",
             "--set=train.seed=1", "--set", "model.heads=2", "--detach"]  # fmt: skip
    found = gate(book, book.stage("short"), IDENTITY, words=typed)
    same = "--data-path 'my panel.parquet' --set=train.seed=1 --set model.heads=2`"
    assert f"Run `atft run dry {same}" in found.reason
    assert f"`atft run short --override-gate REASON {same}" in found.reason
    keep(book, dry_run(metrics(-0.03)))
    assert f"`atft run dry {same}" in gate(book, book.stage("short"), IDENTITY, words=typed).reason


def test_a_good_run_opens_the_next_stage(book):
    run = keep(book, dry_run())
    found = gate(book, book.stage("short"), IDENTITY)
    assert (found.open, found.evidence) == (True, run.path)
    assert {result.verdict for result in found.results} == {Verdict.PASS}
    assert not gate(book, book.stage("full"), IDENTITY).open


def test_a_failed_criterion_is_named_with_value_bar_and_evidence(book):
    run = keep(book, dry_run(metrics(-0.03)))
    found = gate(book, book.stage("short"), IDENTITY)
    assert (found.open, found.evidence) == (False, run.path)
    assert "FAIL val RankIC h1 -.030 (wanted > -.010), trial 0, epoch 2" in found.reason
    assert str(run.path) in found.reason
    assert "--override-gate" in found.reason
    assert "epoch time" not in found.reason


def test_a_criterion_that_was_not_measured_keeps_the_gate_closed(book):
    log = Log().start().worker().epoch(1, gpu=None).epoch(2, gpu=None).trial_end().end()
    keep(book, log)
    found = gate(book, book.stage("short"), IDENTITY)
    assert not found.open
    assert "UNKNOWN GPU utilisation not measured (wanted > 40 %)" in found.reason


def test_a_stage_gated_on_the_target_needs_it(book):
    keep(book, dry_run(metrics(-0.005)))
    assert gate(book, book.stage("short"), IDENTITY).open
    strict = replace(book, stages=(replace(book.stages[0], gate="target"), *book.stages[1:]))
    found = gate(strict, strict.stage("short"), IDENTITY)
    assert not found.open
    assert "(wanted > 0)" in found.reason


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("data_hash", "other data"), ("code", "another version of the code"),
        ("config_hash", "another configuration (start with the settings that it had)"),
    ],
)  # fmt: skip
def test_evidence_of_something_else_does_not_count(book, key, says):
    run = keep(book, dry_run())
    for identity in ({**IDENTITY, key: "other"}, {k: v for k, v in IDENTITY.items() if k != key}):
        found = gate(book, book.stage("short"), identity)
        assert (found.open, found.evidence) == (False, None)
        assert f"{run.path}: has {says}" in found.reason


@pytest.mark.parametrize("had", [{"train.py": "1"}, {}, ["forged"]])
def test_scripts_that_are_others_are_named(book, had):
    run = keep(book, dry_run(identity={**IDENTITY, "code": "v1+a+b", "scripts": had}))
    wanted = {**IDENTITY, "code": "v1+a+c", "scripts": {"train.py": "2"}}
    reason = gate(book, book.stage("short"), wanted).reason
    assert f"{run.path}: has another train.py (start it again with the files as they are)" in reason


def test_a_run_whose_script_was_edited_meanwhile_does_not_count(book):
    log = Log().start().worker().epoch(1).add(ev.Alert(key="edited", text="a script"))
    run = keep(book, log.epoch(2).trial_end().end())
    found = gate(book, book.stage("short"), IDENTITY)
    assert f"{run.path}: ran a script that was edited meanwhile" in found.reason


def test_evidence_without_an_identity_does_not_count(book):
    keep(book, dry_run(identity={"demo": False}))
    assert not gate(book, book.stage("short"), IDENTITY).open
    assert not gate(book, book.stage("short"), {"demo": False}).open


def test_a_console_that_has_not_read_the_data_says_what_it_did_not_compare(book):
    keep(book, dry_run())
    found = gate(book, book.stage("short"), None)
    assert found.open
    assert "compared at the start" in found.reason


def test_demo_evidence_opens_demo_stages_only(book):
    run = keep(book, dry_run(identity={**IDENTITY, "demo": True}))
    for identity in (IDENTITY, None):
        found = gate(book, book.stage("short"), identity)
        assert not found.open
        assert f"{run.path}: has demo data" in found.reason
    demo = replace(book, demo=True)
    assert gate(demo, demo.stage("short"), IDENTITY).open


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (Log().start().worker().epoch(1), "has not ended"),
        (dry_run().add(ev.EngineStarted(pid=3)), "has not ended"),
        (Log().start().worker().epoch(1).epoch(2).trial_end().end("STOPPED"), "STOPPED"),
        (dry_run(stage=""), "was ad hoc"), (dry_run(stage="full"), "is of stage full"),
    ],
)  # fmt: skip
def test_a_run_that_is_no_evidence_is_passed_over_with_a_reason(book, log, says):
    keep(book, log)
    found = gate(book, book.stage("short"), IDENTITY)
    assert not found.open
    assert says in found.reason


def test_the_newest_finished_run_decides(book):
    keep(book, dry_run(), created=10)
    newest = keep(book, dry_run(metrics(-0.03)), created=20)
    found = gate(book, book.stage("short"), IDENTITY)
    assert (found.open, found.evidence) == (False, newest.path)
    better = keep(book, dry_run(), created=30)
    keep(book, Log().start().worker(), created=40)  # still running: the one before it decides
    found = gate(book, book.stage("short"), IDENTITY)
    assert (found.open, found.evidence) == (True, better.path)


def test_a_newer_run_on_other_data_does_not_hide_older_evidence(book):
    good = keep(book, dry_run(), created=10)
    keep(book, dry_run(identity={**IDENTITY, "data_hash": "other"}), created=20)
    found = gate(book, book.stage("short"), IDENTITY)
    assert (found.open, found.evidence) == (True, good.path)


def test_a_run_that_was_started_with_an_override_counts_if_it_passes(book):
    keep(book, dry_run(override="the GPU box is shared today"))
    assert gate(book, book.stage("short"), IDENTITY).open


def test_a_run_whose_log_is_gone_is_no_evidence(book):
    run = keep(book, dry_run())
    run.events.unlink()
    assert not gate(book, book.stage("short"), IDENTITY).open


def test_a_run_that_cannot_be_read_is_said_to_be(book):
    run = keep(book, dry_run())
    run.events.unlink()
    Path(run.events).mkdir()
    found = gate(book, book.stage("short"), IDENTITY)
    assert not found.open
    assert "cannot be read" in found.reason


def test_a_run_whose_log_has_lost_a_line_is_no_evidence(book):
    run = keep(book, dry_run())
    lines = run.events.read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace('"val":{', '"val":[{', 1)
    run.events.write_text("".join(lines))
    found = gate(book, book.stage("short"), IDENTITY)
    assert not found.open
    assert "has lost 1 event of its log" in found.reason


def test_a_run_whose_last_line_cannot_be_read_is_no_evidence_either(book):
    """It may have said that a worker was lost; before and after somebody resumes the run."""
    run = keep(book, dry_run())
    lines = run.events.read_bytes().splitlines(keepends=True)
    run.events.write_bytes(b"".join([*lines, lines[-1].replace(b"t", b"T", 1)]))
    for _ in range(2):
        found = gate(book, book.stage("short"), IDENTITY)
        assert not found.open
        assert "has lost 1 event of its log" in found.reason
        assert load(run) == evidence(run)
        with Journal(run.events) as journal:
            journal.append(ev.Alert(text="resumed"))


def test_what_a_forged_snapshot_says_opens_nothing(book):
    run = keep(book, dry_run(metrics(-0.03)))
    save(run, dry_run().state)
    assert check(load(run), book.stage("dry"))[-1].verdict is Verdict.PASS
    assert not gate(book, book.stage("short"), IDENTITY).open


def test_a_run_of_fewer_trials_or_epochs_than_the_stage_asks_for_is_no_evidence(book):
    keep(book, dry_run(max_epochs=1))
    found = gate(book, book.stage("short"), IDENTITY)
    assert not found.open
    assert "was 1 trial x 1 epoch, not 1 trial x 2 epochs" in found.reason


def test_bars_that_were_lowered_after_the_run_do_not_make_it_pass(book):
    dry = book.stage("dry")
    strict = replace(
        dry, criteria=tuple(
            replace(c, minimum=0.3, target=0.4) if c.name == "val_rank_ic" else c
            for c in dry.criteria
        ),
    )  # fmt: skip
    keep(book, dry_run(stage_spec=stage_to_json(strict)))
    found = gate(book, book.stage("short"), IDENTITY)
    assert not found.open
    assert "passes by criteria that were changed since it ran" in found.reason
    assert "FAIL val RankIC h1" in found.reason
    keep(book, dry_run(stage_spec=stage_to_json(dry)))
    assert gate(book, book.stage("short"), IDENTITY).open


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (dry_run(), "short sweep: no open row"),
        (dry_run(metrics(-0.03)), "short sweep: 1 open row"),
        (dry_run(metrics(-0.03, days=3)), "short sweep: 1 open row"),
        (dry_run(identity={**IDENTITY, "demo": True}), "short sweep: the run has demo data"),
        (dry_run(n_trials=1, max_epochs=1),
         "short sweep: the run was 1 trial x 1 epoch, not 1 trial x 2 epochs"),
    ],
)  # fmt: skip
def test_what_the_next_stage_still_needs_from_a_run(book, log, said):
    stage, state = book.stage("dry"), log.state
    assert still_needs(book, stage, state, check(state, stage)) == said


def test_the_last_stage_and_an_ad_hoc_run_open_nothing(book):
    assert still_needs(book, book.stage("full"), State(), []) == ""
    assert still_needs(book, None, State(), []) == ""
    assert following(book, book.stage("short")) == book.stage("full")
