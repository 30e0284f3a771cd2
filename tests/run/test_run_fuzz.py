"""Whatever stands in the files of a run: readers answer, and what they refuse they refuse in words.

Forged, not damaged: the sums are right, so that only the values are looked at.
"""

import json
import tomllib
from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atft_core.config.load import resolve
from atft_core.errors import AtftError
from atft_core.notify.settings import load as load_notify
from atft_core.run.directory import create
from atft_core.run.events import KINDS, decode
from atft_core.run.judge.contrast import contrast
from atft_core.run.judge.criteria import check
from atft_core.run.kept import kept_checkpoints
from atft_core.run.listing import listed
from atft_core.run.narrate import lines
from atft_core.run.notes import read_notes
from atft_core.run.runbook import load as load_runbook
from atft_core.run.settings.effective import effective
from atft_core.run.shipped import shipped
from atft_core.run.snapshot import save
from atft_core.run.status import evidence, read_status
from atft_core.run.timeline import Timeline
from atft_core.run.verdict.diagnose import verdict_line
from atft_core.writer import summed

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def logs(draw):
    """Lines with a right sum: known kinds with some of their fields, of any value."""
    made = []
    for seq in range(1, draw(st.integers(1, 12)) + 1):
        kind = draw(st.sampled_from(list(KINDS)))
        known = [field.name for field in fields(KINDS[kind])]
        values = draw(st.dictionaries(st.sampled_from(known or ["x"]), VALUES, max_size=4))
        usual = {"trial": 0} if "trial" in known and draw(st.booleans()) else {}
        numbers = {"seq": draw(st.just(seq) | NUMBERS), "t": draw(st.just(1e9 + seq) | NUMBERS)}
        made.append(summed(json.dumps({**numbers, "kind": kind, **values, **usual})))
    return made


def look_at(run):
    """As the console, the commands and the gates do."""
    state, status = read_status(run)
    for line in run.events.read_text().splitlines():
        if (stamped := decode(line)) is not None:
            assert all(isinstance(text, str) for text in lines(state, stamped))
    assert verdict_line(state, status).text
    for number in (None, 0):
        with suppress(AtftError):  # there is no such trial
            effective(run, state, number)
    check(state, load_runbook(shipped("runbook.toml")).stages[0])
    contrast(state, evidence(run), None)
    Timeline(run.events).read()
    with suppress(ValueError):  # what JSON cannot hold
        save(run, state)
    assert listed(run).status.name


@pytest.fixture
def run(tmp_path):
    return create(tmp_path / "run")


@FUZZ
@given(log=logs())
def test_events(run, log):
    run.snapshot.unlink(missing_ok=True)
    run.run_json.write_text("{}")
    run.config.write_text("")
    run.events.write_text("\n".join(log) + "\n")
    try:
        look_at(run)
    except AtftError as error:
        assert "is damaged after event" in error.message


def test_a_tower_in_a_line_is_no_reason_to_read_no_further(run):
    tower = '{"a":' * 600 + "1" + "}" * 600
    began = summed('{"seq":1,"t":1.0,"kind":"worker_started","trial":0}')
    row = '"seq":2,"t":2.0,"kind":"epoch","trial":0,"worker_seq":1,"epoch":1,"train":'
    run.events.write_text(began + "\n" + summed("{" + row + tower + "}") + "\n")
    assert len(evidence(run).trials[0].epochs) == 1


@FUZZ
@given(facts=VALUES, notes=VALUES, rest=VALUES)
def test_files_beside_the_log(run, facts, notes, rest):
    run.events.write_text(summed('{"seq":1,"t":1.0,"kind":"run_started","run":"r"}') + "\n")
    run.run_json.write_text(json.dumps(facts))
    (run.path / "notes.jsonl").write_text(json.dumps(notes) + "\n")
    trial = run.trial(0)
    trial.checkpoints.mkdir(parents=True, exist_ok=True)
    for path in (trial.params, trial.exit, trial.metrics, trial.control, run.lock, trial.lock):
        path.write_text(json.dumps(rest))
    kept = trial.checkpoints / "epoch_00001"
    kept.mkdir(exist_ok=True)
    (kept / "manifest.json").write_text(json.dumps(rest))
    look_at(run)
    read_notes(run)
    kept_checkpoints(trial.checkpoints)


def toml(value):
    """Of what TOML can hold."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return '"none"' if value is None else json.dumps(value)


TABLES = st.sampled_from(
    ["data", "model", "train", "loss", "engine", "search", "split", "stage", "x"]
)


@FUZZ
@given(tables=st.dictionaries(TABLES, st.dictionaries(st.text(max_size=9), VALUES, max_size=3)))
def test_configurations_runbooks_and_notifications(tmp_path, tables):
    path = tmp_path / "given.toml"
    path.write_text("\n".join(f"{name} = {toml(table)}" for name, table in tables.items()))
    with suppress(tomllib.TOMLDecodeError):  # numbers beyond those of TOML
        tomllib.loads(path.read_text())
    for read in (
        lambda: resolve(config_files=[path]), lambda: load_runbook(path),
        lambda: load_notify({"ATFT_NOTIFY": str(path)}),
    ):  # fmt: skip
        with suppress(AtftError):
            read()


@FUZZ
@given(text=st.text(max_size=30) | st.builds(lambda v: f"model.hidden={toml(v)}", VALUES))
def test_assignments(text):
    with suppress(AtftError):
        resolve(assignments=[text])
