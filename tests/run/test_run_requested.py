"""config.toml as people and programs read it again: every value, every origin."""

import pytest

from atft_core.config.keys import DESCRIPTIONS, dump, flatten
from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.run.settings.requested import origin_of, read_requested
from atft_core.run.settings.setting import same
from atft_core.run.shipped import shipped


def written(tmp_path, **given):
    resolved = resolve(environ={}, **given)
    path = tmp_path / "config.toml"
    path.write_text(to_toml(resolved.config, resolved.origins))
    return resolved, read_requested(path)


def test_every_key_comes_back_with_its_value_and_its_origin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "atft.toml").write_text('[data]\nsector = "a # b.parquet"\nraw = []\n')
    (tmp_path / "mine.toml").write_text("[train]\nseed = 7\n")
    resolved, found = written(
        tmp_path, config_files=[tmp_path / "mine.toml"], assignments=["train.max_epochs=5"],
        runbook={"train": {"clip_norm": 2.0}}, flags={"engine.n_trials": 9},
    )  # fmt: skip
    assert found.trouble == ""
    flat = flatten(dump(resolved.config))
    assert set(found.values) == {key for key in DESCRIPTIONS if key != "search"}
    assert all(same(found.values[key], flat[key]) for key in found.values)
    assert found.values["data.sector"] == "a # b.parquet"
    shown = {key: found.origins[key] for key in found.origins}
    assert shown["data.sector"] == "atft.toml"
    assert shown["train.seed"] == str(tmp_path / "mine.toml")
    assert shown["train.max_epochs"] == "--set"
    assert shown["train.clip_norm"] == "runbook"
    assert shown["engine.n_trials"] == "flag"
    assert shown["train.ema"] == "default"
    assert found.search["train.block_days"] == {"choices": [8, 16, 32]}
    assert set(found.search) == set(resolved.config.search)


def test_a_preset_goes_by_its_name(tmp_path):
    assert origin_of(str(shipped("objective/rank.toml"))) == "preset objective/rank"
    assert origin_of("/somewhere/objective/rank.toml") == "/somewhere/objective/rank.toml"


@pytest.mark.parametrize(
    ("data", "said"),
    [(None, "No such file"), (b"\xff\xfe", "not text")],
)
def test_a_file_that_cannot_be_read_is_a_reason_and_no_error(tmp_path, data, said):
    path = tmp_path / "config.toml"
    if data is not None:
        path.write_bytes(data)
    found = read_requested(path)
    assert said in found.trouble
    assert found.values == {}


def test_lines_that_are_no_toml_are_left_out(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[train]\nseed = \nname = "open # here\n= 3\nema = 0.5 # --set\n# x = 1\n')
    assert read_requested(path).values == {"train.ema": 0.5}
