"""The cache: the same panel again, complete or not there, and never a stale one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from data_panels import config_for, synthetic

from atft_core.cross_section import ranked_targets
from atft_core.data import columns, source
from atft_core.data.build import ensure_cache
from atft_core.data.cache import write_cache
from atft_core.data.panel import open_panel
from atft_core.data.stored import RANK_STEP
from atft_core.errors import DataError
from atft_core.run import user


class Said(list):
    """A progress function that remembers."""

    def __call__(self, what, share):
        assert 0.0 <= share <= 1.0
        self.append(what)


def test_what_is_opened_is_what_was_built(tmp_path):
    path = synthetic(tmp_path)
    panel = open_panel(ensure_cache(config_for(path)))
    again = tmp_path / "again.arrow"
    write_cache(again, panel)
    copy = open_panel(again)
    for name in ("dates_T", "x_TNF", "y_TNH", "rank_TNH", "gauss_TNH", "valid_TN", "market_TM",
                 "neighbour_days_R", "neighbours_RNK", "sector_N"):  # fmt: skip
        first, second = getattr(panel, name), getattr(copy, name)
        assert first.dtype == second.dtype, name
        np.testing.assert_array_equal(first, second, err_msg=name)
    for name in ("codes", "features", "groups", "horizons", "market_names", "sectors", "x_offset"):
        assert getattr(panel, name) == getattr(copy, name)
    assert copy.facts | {"cache": ""} == panel.facts | {"cache": ""}
    assert panel.facts["columns_hash"] == panel.columns_hash
    for small in ("valid_TN", "market_TM", "neighbours_RNK", "dates_T"):
        spoilt = getattr(panel, small).copy()
        spoilt.flat[0] = 1 - spoilt.flat[0] if spoilt.dtype == bool else spoilt.flat[-1]
        assert replace(panel, **{small: spoilt}).columns_hash != panel.columns_hash
    assert panel.facts["rows"] == len(pl.read_parquet(path))
    json.dumps(panel.facts)


def test_large_columns_are_mapped_and_not_copied(tmp_path):
    panel = open_panel(ensure_cache(config_for(synthetic(tmp_path))))
    for large in (panel.x_TNF, panel.y_TNH, panel.rank_TNH, panel.gauss_TNH):
        assert not large.flags.owndata
        assert not large.flags.writeable
        assert large.flags.c_contiguous
    before = pa.total_allocated_bytes()
    open_panel(Path(panel.facts["cache"]))
    assert pa.total_allocated_bytes() - before < panel.x_TNF.nbytes / 10
    stored = Path(panel.facts["cache"]).read_bytes()[panel.x_offset :][: panel.x_TNF.nbytes]
    assert stored == panel.x_TNF.tobytes()


def test_ranks_in_the_cache_are_those_of_the_labels(tmp_path):
    panel = open_panel(ensure_cache(config_for(synthetic(tmp_path))))
    rank, gauss = ranked_targets(panel.y_TNH, panel.valid_TN)
    np.testing.assert_array_equal(panel.rank_TNH, rank)
    np.testing.assert_array_equal(panel.gauss_TNH, gauss)
    assert np.isnan(panel.y_TNH[~panel.valid_TN]).all()


def test_some_days_as_floats(tmp_path):
    panel = open_panel(ensure_cache(config_for(synthetic(tmp_path), dtype="float32")))
    for days in (range(60, 70), range(0, 200), range(199, 200)):
        found = panel.float_features(days)
        np.testing.assert_array_equal(found, panel.x_TNF[days.start : days.stop])
    np.testing.assert_array_equal(panel.float_features([3, 7]), panel.x_TNF[[3, 7]])


def test_ranks_in_one_byte_are_ranks_up_to_half_a_step(tmp_path):
    path = synthetic(tmp_path)
    exact = open_panel(ensure_cache(config_for(path, dtype="float32")))
    small = open_panel(ensure_cache(config_for(path, dtype="uint8rank")))
    assert small.x_TNF.dtype == np.uint8
    found, wanted = small.float_features(range(200)), exact.float_features(range(200))
    assert not found[~exact.valid_TN].any()  # what is missing is exactly 0
    continuous = exact.features.index("r60")
    error = np.abs(found - wanted)[..., continuous]
    assert error.max() < RANK_STEP / 2 + np.sqrt(3) / 30  # and the difference of 1/n
    assert np.abs(found).max() <= np.sqrt(3) + 1e-6


def test_one_byte_is_for_ranks_only(tmp_path):
    with pytest.raises(ValueError, match="uint8rank"):
        config_for(synthetic(tmp_path), dtype="uint8rank", normalise="zscore")


def test_features_do_not_depend_on_how_many_days_are_computed_at_once(tmp_path, monkeypatch):
    config = config_for(synthetic(tmp_path, days=420))
    whole = np.array(open_panel(ensure_cache(config)).x_TNF)
    monkeypatch.setattr(columns, "SMALL", 0)
    monkeypatch.setattr(columns, "SHARE", 0.0)
    assert len(list(columns._chunks(420, 40, 33))) == 7
    other = config_for(tmp_path / "input" / "panel.parquet", cache_dir=str(tmp_path / "other"))
    np.testing.assert_array_equal(open_panel(ensure_cache(other)).x_TNF, whole)


def test_any_arrow_reader_opens_it(tmp_path):
    cache = ensure_cache(config_for(synthetic(tmp_path)))
    frame = pl.read_ipc(cache)
    assert frame.columns == ["x", "y", "rank", "gauss", "date", "valid", "market", "neighbours",
                             "edges", "edge_weights"]  # fmt: skip
    assert frame["date"].dtype == pl.Date
    assert len(frame) == 200


def test_a_cache_is_built_once(tmp_path):
    config, said = config_for(synthetic(tmp_path)), Said()
    cache = ensure_cache(config, said)
    assert said[0] == "no cache of this panel yet"
    stamp, said = cache.stat().st_mtime_ns, Said()
    assert ensure_cache(config, said) == cache
    assert said == []
    assert cache.stat().st_mtime_ns == stamp


def test_the_same_content_elsewhere_and_settings_without_effect_share_a_cache(tmp_path):
    path = synthetic(tmp_path)
    cache = ensure_cache(config_for(path))
    assert ensure_cache(config_for(path, workers=7, prefetch=9)) == cache


@pytest.mark.parametrize("what", ["panel", "sector", "setting", "label"])
def test_a_stale_cache_is_built_anew_and_said_and_the_old_one_stays(tmp_path, what):
    path = synthetic(tmp_path)
    old = ensure_cache(config_for(path))
    data, label = {}, None
    if what == "panel":
        pl.read_parquet(path)[:-5].write_parquet(path)
    elif what == "sector":
        file = path.parent / "sector.parquet"
        pl.read_parquet(file).with_columns(sector=pl.lit("one")).write_parquet(file)
    elif what == "setting":
        data = {"normalise": "zscore"}
    else:
        label = {"entry_lag": 1}
    said = Said()
    new = ensure_cache(config_for(path, label=label, **data), said)
    assert new != old
    assert old.exists()  # a run may be reading it
    assert "changed since it was cached" in said[0] if what == "panel" else "settings" in said[0]


def damage(cache, how):
    whole = cache.read_bytes()
    if how == "empty":
        cache.write_bytes(b"")
    elif how == "cut":
        cache.write_bytes(whole[: len(whole) // 2])
    elif how == "footer":
        cache.write_bytes(whole[:-400] + bytes(390) + whole[-10:])
    elif how == "other":
        pl.DataFrame({"a": [1]}).write_ipc(cache)
    elif how == "format":
        cache.write_bytes(whole.replace(b'"format": 4,', b'"format": 3,'))
    else:
        cache.write_bytes(b"no arrow at all")


@pytest.mark.parametrize("how", ["empty", "cut", "footer", "other", "format", "text"])
def test_a_damaged_cache_is_built_again_and_said(tmp_path, how):
    config, said = config_for(synthetic(tmp_path)), Said()
    cache = ensure_cache(config)
    whole = np.array(open_panel(cache).x_TNF)
    damage(cache, how)
    with pytest.raises(DataError):
        open_panel(cache)
    assert ensure_cache(config, said) == cache
    assert "damaged" in said[0]
    np.testing.assert_array_equal(open_panel(cache).x_TNF, whole)


def test_a_cache_whose_content_was_damaged_is_built_again(tmp_path):
    config, said = config_for(synthetic(tmp_path)), Said()
    cache = ensure_cache(config)
    panel = open_panel(cache)
    whole = np.array(panel.x_TNF)
    with cache.open("r+b") as file:
        file.seek(panel.x_offset + panel.x_TNF.nbytes // 2)
        file.write(bytes([file.read(1)[0] ^ 1]))  # one bit, elsewhere than it was read
    assert ensure_cache(config, said) == cache
    assert "its content is not what was written" in said[0]
    np.testing.assert_array_equal(open_panel(cache).x_TNF, whole)


BUILD = """
import os, resource, signal, sys
from atft_core.config.schema import Config
from atft_core.data.build import ensure_cache
from atft_core.errors import DataError
path, action = sys.argv[1:]
def progress(what, share):
    if action in what:
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "limit" and what == "finding neighbours":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    ensure_cache(Config.model_validate({"data": {"path": path}}), progress)
except DataError as error:
    print(error)
"""


def build_elsewhere(path, action):
    command = [sys.executable, "-c", BUILD, str(path), action]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def caches(tmp_path):
    return sorted(p.name for p in (tmp_path / "xdg" / "atft").glob("*arrow*"))


@pytest.mark.parametrize("moment", ["reading", "labels", "features of", "writing to disk"])
def test_a_killed_build_leaves_no_cache(tmp_path, moment):
    path = synthetic(tmp_path)
    assert build_elsewhere(path, moment).returncode == -9
    assert not any(name.endswith(".arrow") for name in caches(tmp_path))
    cache = ensure_cache(config_for(path))
    assert caches(tmp_path) == [cache.name]  # and what it had begun is gone


def test_a_full_disk_is_an_error_with_advice_and_leaves_nothing(tmp_path):
    done = build_elsewhere(synthetic(tmp_path), "limit")
    assert done.returncode == 0, done.stderr
    assert "is full" in done.stdout
    assert "--set data.cache_dir=DIR" in done.stdout
    assert caches(tmp_path) == []


def test_a_cache_directory_that_cannot_be_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").write_text("")
    path = synthetic(tmp_path)
    with pytest.raises(DataError, match=r"cannot be written.*\n.*data.cache_dir"):
        ensure_cache(config_for(path, cache_dir=str(tmp_path / "file" / "cache")))


def test_what_a_killed_writer_left_is_removed_but_not_a_living_ones(tmp_path):
    path, directory = synthetic(tmp_path), tmp_path / "here"
    directory.mkdir()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = os.uname().nodename
    left = directory / f".panel.arrow.{host}.{gone.pid}.tmp"
    alive = directory / f".panel.arrow.{host}.{os.getpid()}.tmp"
    elsewhere = directory / f".panel.arrow.another.{gone.pid}.tmp"
    for file in (left, alive, elsewhere):
        file.write_text("half")
    ensure_cache(config_for(path, cache_dir=str(directory)))
    assert not left.exists()
    assert alive.exists()
    assert elsewhere.exists()


def test_the_hash_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "data.bin"
    file.write_bytes(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(source, "SETTLED_SECONDS", -1.0)
        first = source.source_hash(file)
    memory = user.cache() / "hashes.json"
    known = json.loads(memory.read_text())
    known[str(file)]["hash"] = "remembered"
    memory.write_text(json.dumps(known))
    assert source.source_hash(file) == "remembered"
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as an archive would leave it
    assert source.source_hash(file) not in {"remembered", first}
    file.write_bytes(b"one")
    assert source.source_hash(file) == first  # too fresh to be remembered, so read again
    memory.write_text("not json")
    assert source.source_hash(file) == first


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    file = tmp_path / "data.bin"
    file.write_bytes(b"one")
    os.utime(file, (0, 0))
    assert len(source.source_hash(file)) == 64
    with pytest.raises(DataError, match="cannot be read"):
        source.source_hash(tmp_path / "none")
