"""Random damage to every file that is read: refused or noticed, or what it says is unchanged.

No traceback for the user, no hang, no other result that is believed. A thousand mutations of each
format with DRILLS=all; else some dozens.
"""

import random

import numpy as np
import pyarrow as pa
import pytest
from drill import ALL

from atft_core.config.hashing import config_hash
from atft_core.config.load import read_resolved, resolve
from atft_core.config.schema import Config
from atft_core.data.panel import open_panel
from atft_core.data.source import source_hash
from atft_core.engine.prepare import prepare
from atft_core.engine.rebuild import why_unusable
from atft_core.engine.requests import answer_requests
from atft_core.engine.session import Session
from atft_core.engine.storage import trials_of
from atft_core.errors import AtftError, DataError, EngineError
from atft_core.run.directory import create
from atft_core.run.events import decode
from atft_core.run.files import write_json
from atft_core.run.judge.contrast import contrast
from atft_core.run.lock import EngineLock
from atft_core.run.narrate import lines
from atft_core.run.snapshot import save
from atft_core.run.status import load
from atft_core.run.timeline import Timeline
from atft_core.train.tables import read_table, write_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
TIMES = 1000 if ALL else 60
seeds = pytest.mark.parametrize("seed", range(20 if ALL else 1))
"""Each of so many tests makes its share of the mutations."""
SHARE = TIMES // (20 if ALL else 1)


def mutations(data: bytes, seed: int):
    """Bits turned, bytes overwritten, pieces cut out, doubled, moved; the end torn off."""
    for n in range(SHARE):
        dice, made = random.Random(seed * 10_000 + n), bytearray(data)
        for _ in range(dice.choice((1, 1, 1, 2, 8))):
            at, size = dice.randrange(len(made)), dice.choice((1, 4, 64, 700))
            match dice.randrange(7):
                case 0 | 1:
                    made[at] ^= 1 << dice.randrange(8)
                case 2:
                    made[at : at + size] = dice.randbytes(size)
                case 3:
                    made[at : at + size] = b"\0" * size
                case 4:
                    del made[at : at + size]
                case 5:
                    made[at:at] = made[at : at + size]
                case 6:
                    del made[at:]
            made = made or bytearray(b"\0")
        yield bytes(made)


@seeds
def test_events(run, seed):
    data = run.events.read_bytes()
    true = {decode(line).seq: decode(line) for line in data.decode().splitlines()}
    whole = load(run)
    for made in mutations(data, seed):
        run.events.write_bytes(made)
        run.snapshot.unlink(missing_ok=True)
        for text in made.decode(errors="replace").split("\n"):
            found = decode(text)
            assert found is None or found == true[found.seq]
        state = load(run)
        assert state.lost or state == whole or state.seq < whole.seq
        for stamped in true.values():
            lines(state, stamped)
        contrast(state, whole, None)
        Timeline(run.events).read()


@seeds
def test_snapshots(run, seed):
    whole = load(run)
    save(run, whole)
    for made in mutations(run.snapshot.read_bytes(), seed):
        run.snapshot.write_bytes(made)
        assert load(run) == whole


@seeds
def test_configurations(run, seed):
    data, true = run.config.read_bytes(), config_hash(read_resolved(run.config))
    refused = 0
    for made in mutations(data, seed):
        run.config.write_bytes(made)
        try:
            refused += config_hash(read_resolved(run.config)) != true
        except AtftError as error:
            assert len(error.message) < 2000
            refused += 1
    assert refused > SHARE // 4


@seeds
def test_requests(tmp_path, monkeypatch, seed):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run = create(tmp_path / "run")
    write_json(run.run_json, {})
    run.lock.touch()
    wanted = {"t": 1.0, "op": "enqueue", "user": "u", "args": {"params": {"train.dropout": 0.1}}}
    write_json(tmp_path / "request", wanted)
    with Session(run, Config(), EngineLock(run.lock)) as session:
        for n, made in enumerate(mutations((tmp_path / "request").read_bytes(), seed)):
            (run.requests / f"{n}.json").write_bytes(made)
            answer_requests(session)
            assert len(session.state.answered) == n + 1


@seeds
def test_studies(run, seed):
    data, state = run.study.read_bytes(), load(run)
    true = told(run.study, state)
    noticed = 0
    for made in mutations(data, seed):
        run.study.write_bytes(made)
        why = why_unusable(run.study, state)
        noticed += bool(why)
        assert why or told(run.study, state) == true
    assert noticed


def told(path, state):
    """What the study says of the trials that have ended."""
    ended = {trial.number for trial in state.trials.values() if trial.ended}
    return [
        (trial.number, trial.state, trial.value, trial.params, trial.intermediate_values)
        for trial in trials_of(path) if trial.number in ended
    ]  # fmt: skip


@seeds
def test_tables(tmp_path, seed):
    path = tmp_path / "daily.arrow"
    n = 300
    table = pa.table({
        "date": pa.array(np.arange(n).astype("M8[D]")), "code": [f"c{i % 7}" for i in range(n)],
        "rank_ic": pa.array([None if i % 11 == 0 else i / 1000 for i in range(n)]),
    })  # fmt: skip
    write_table(path, table)
    for made in mutations(path.read_bytes(), seed):
        path.write_bytes(made)
        try:
            assert read_table(path).equals(table)
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError):
            continue


@seeds
def test_panels(panel, tmp_path, monkeypatch, seed):
    """What a panel should say nobody knows; but another one has another hash."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, true = tmp_path / "panel.parquet", source_hash(panel)
    config = resolve(flags={"data.path": str(path), "split.warmup": 20}).config
    for made in list(mutations(panel.read_bytes(), seed))[: SHARE // 2 or 1]:
        path.write_bytes(made)
        try:
            found = prepare(config, demo=False)
        except DataError as error:
            assert len(error.message) < 4000
            continue
        assert found.facts["hash"] != true or made == panel.read_bytes()


@seeds
def test_caches(panel, tmp_path, monkeypatch, seed):
    """A damaged cache is built again, and then says what it said before.

    What stands between its columns, so that they begin at round places, says nothing.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = resolve(flags={"data.path": str(panel), "split.warmup": 20}).config
    cache = prepare(config, demo=False).cache
    data, true = cache.read_bytes(), open_panel(cache).columns_hash
    for made in list(mutations(data, seed))[: SHARE // 2 or 1]:
        cache.write_bytes(made)
        assert open_panel(prepare(config, demo=False).cache).columns_hash == true


def test_an_error_of_a_damaged_study_is_one_line(run):
    run.study.write_bytes(b"x" * 10_000)
    with pytest.raises(EngineError) as caught:
        trials_of(run.study)
    assert "\n" not in str(caught.value)
