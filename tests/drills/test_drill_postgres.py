"""Runs whose study is in PostgreSQL: shared, restarted under them, and no word of the password."""

import time
from pathlib import Path

import empty
import pytest
from drill import ALL, wait_for
from test_drill_faults import came_to_pass, resume_to_the_end

from atft_core.bench.empty.worker import rank_ic
from atft_core.config.load import read_resolved
from atft_core.engine.rebuild import why_unlike
from atft_core.engine.shared import open_shared, own_trials
from atft_core.engine.study import close_study
from atft_core.run.directory import RunDirectory
from atft_core.run.processes.table import descendants, processes
from atft_core.run.status import evidence, load, read_status
from postgres import PASSWORD, a_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OUTAGE = 60.0 if ALL else 6.0


@pytest.fixture(scope="module")
def server():
    yield from a_server()


@pytest.fixture
def secret(server, tmp_path):
    """A file as a person would make it."""
    path = tmp_path / "studies.url"
    path.write_text(server.url)
    path.chmod(0o600)
    return path


def begun(panel, home, name, secret, *, trials, epochs=3, study="shared", env=()):
    values = {"engine.storage": str(secret), "engine.slots": 2, "engine.study_name": study,
              "engine.prune_startup": 100}  # fmt: skip
    given = empty.spec(panel, home / name, trials=trials, epochs=epochs, **values)
    engine = empty.begin(given, home / f"{name}.log", **dict(env))
    return RunDirectory(home / name), engine


def assert_shared_whole(*runs, trials, epochs):
    """Each run has its trials, and the study has those of all and no others."""
    state = load(runs[0])
    study = open_shared(read_resolved(runs[0].config), state.identity)
    try:
        for run in runs:
            state, own = evidence(run), own_trials(study, run)
            assert sorted(state.trials) == sorted(own) == list(range(trials))
            for number, trial in state.trials.items():
                wanted = [rank_ic(number, epoch) for epoch in range(1, epochs + 1)]
                assert trial.state == "COMPLETE", trial.reason
                assert [row.metric("rank_ic", state.horizon) for row in trial.epochs] == wanted
            assert why_unlike(own, state) == ""
        found = study.get_trials()
        assert [trial.number for trial in found] == list(range(trials * len(runs)))
        assert {trial.state.name for trial in found} == {"COMPLETE"}
    finally:
        close_study(study)


def test_two_engines_share_a_study_whose_server_is_restarted(panel, home, server, secret):
    slow = {"ATFT_EMPTY_EPOCH": 0.7}
    pairs = [begun(panel, home, name, secret, trials=5, env=slow) for name in "ab"]
    runs = [run for run, _ in pairs]
    for run in runs:
        wait_for(run, lambda s: any(trial.ended for trial in s.trials.values()))
    server.stop(crash=True)
    for run in runs:
        wait_for(run, lambda s: s.waits_since)
        state, status = read_status(run)
        assert status.name == "PAUSED" and "the study cannot be used" in status.reason
    time.sleep(OUTAGE)
    server.start()
    for run, engine in pairs:
        assert engine.wait(timeout=180) == 0, run.log.read_text()[-2000:]
        state = load(run)
        assert (state.end_state, state.engines) == ("FINISHED", 1)
        assert all(trial.crashes == 0 for trial in state.trials.values())
    assert_shared_whole(*runs, trials=5, epochs=3)


@pytest.mark.parametrize(
    "place", ["before study ask", "after study ask", "after study report", "after study tell"]
)
def test_an_engine_that_is_killed_at_its_study_finds_it_again(panel, home, tmp_path, secret, place):
    run, engine = begun(panel, home, "a", secret, trials=3, study=place.replace(" ", "-"),
                        env={"ATFT_FAULT": empty.fault(tmp_path, place, nth=2)})  # fmt: skip
    engine.wait(timeout=120)
    assert came_to_pass(tmp_path, place, nth=2)
    resume_to_the_end(run)
    assert_shared_whole(run, trials=3, epochs=3)


@pytest.mark.parametrize("way", ["file", "environment"])
def test_the_password_is_found_nowhere(panel, home, server, secret, way):
    env = {"ATFT_EMPTY_EPOCH": 0.5}
    if way == "environment":
        secret, env = "environment", {**env, "ATFT_STORAGE": server.url}
    run, engine = begun(panel, home, "a", secret, trials=3, study=way, env=env)
    wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    pids = {engine.pid, *descendants(processes(), [engine.pid])}
    shown = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
    workers = [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids - {engine.pid}]
    server.stop(crash=True)
    wait_for(run, lambda s: s.waits_since)
    server.start()
    assert engine.wait(timeout=120) == 0
    written = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".url"]
    files = [path.read_bytes() for path in written]
    assert len(shown) > 1 and len(files) > 20
    assert not any(PASSWORD.encode() in text for text in [*shown, *workers, *files])


def test_a_run_whose_database_does_not_answer_does_not_begin(panel, home, server, secret):
    server.stop()
    try:
        given = empty.spec(panel, home / "a", trials=1, epochs=1,
                           **{"engine.storage": str(secret)})  # fmt: skip
        code, answer = empty.engine("start", given=given)
    finally:
        server.start()
    assert code == 1
    assert "the database cannot be used" in answer["error"] and "refused" in answer["error"]
    assert not (home / "a").exists()
