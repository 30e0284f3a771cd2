"""Values from several places: who wins, where it came from, and what nonsense is answered with."""

import pytest

from atft_core.config.hashing import config_hash
from atft_core.config.keys import DESCRIPTIONS, dump, flatten, nest
from atft_core.config.load import parse_assignment, read_resolved, resolve, with_values
from atft_core.config.render import to_toml
from atft_core.config.schema import Config
from atft_core.config.search import Choice, Range, entry_text
from atft_core.errors import ConfigError


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_flag_beats_set_beats_environment_beats_file_beats_runbook_beats_project(tmp_path):
    (tmp_path / "atft.toml").write_text("[train]\nmax_epochs = 1\nseed = 1\n")
    mine = tmp_path / "mine.toml"
    mine.write_text("[train]\nmax_epochs = 3\nthreads = 3\n")
    layers = {"runbook": {"train": {"max_epochs": 2, "clip_norm": 2.0}}, "config_files": [mine]}
    seen = []
    for extra in (
        {},
        {"environ": {"ATFT_TRAIN_MAX_EPOCHS": "4"}},
        {"environ": {"ATFT_TRAIN_MAX_EPOCHS": "4"}, "assignments": ["train.max_epochs=5"]},
        {"assignments": ["train.max_epochs=5"], "flags": {"train.max_epochs": 6}},
    ):
        found = resolve(**layers, **{"environ": {}, **extra})
        seen.append((found.config.train.max_epochs, found.origins["train.max_epochs"]))
    assert seen == [(3, str(mine)), (4, "environment"), (5, "--set"), (6, "flag")]
    assert found.config.train.clip_norm == 2.0
    assert found.config.train.seed == 1
    assert found.origins["train.seed"] == "atft.toml"
    assert found.origins["model.hidden"] == "default"


def test_one_entry_of_a_table_leaves_the_others(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[loss]\nown = {tail = 0.1, body = 0.2}\n")
    found = resolve(config_files=[file], assignments=["loss.own.tail=0.5", "loss.own.new=1"])
    assert found.config.loss.own == {"tail": 0.5, "body": 0.2, "new": 1.0}
    assert found.origins["loss.own"] == "--set"


def test_the_written_file_reads_back_as_the_same_configuration(tmp_path):
    found = resolve(
        environ={},
        assignments=[
            "split.val_start=2016-01-04",
            'data.targets={1="y\\"1"}',
            'data.features=["a","b c"]',
            "train.learning_rate=1e-5",
            'search={"model.hidden"={choices=[8,64]},"train.clip_norm"={low=0.1,high=2,log=true}}',
        ],
    )
    path = tmp_path / "config.toml"
    path.write_text(to_toml(found.config, found.origins, describe=True))
    assert read_resolved(path) == found.config
    assert found.config.search["model.hidden"] == Choice(choices=(8, 64))
    assert found.config.search["train.clip_norm"] == Range(low=0.1, high=2, log=True)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("train.learning_rat=1", "did you mean train.learning_rate"),
        ("learning_rate=1", "did you mean train.learning_rate"),
        ("train.max_epochs=lots", "train.max_epochs = 'lots'"),
        ("train.max_epochs", "has no '='"),
        ("model.hidden=33", "heads = 4 does not divide hidden = 33"),
        ("objective.horizon=3", "objective.horizon = 3 is not one of"),
        ('search={"model.hidden"={low=9,high=2}}', "search ['model.hidden']"),
        ("train.learning_rate=nan", "train.learning_rate"),
        ("engine.study_name=../../x", "engine.study_name"),
    ],
)
def test_nonsense_is_answered_with_the_key_and_what_is_wrong(assignment, said):
    with pytest.raises(ConfigError) as caught:
        resolve(environ={}, assignments=[assignment])
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("text", ["[train", "a = ", "\x00"])
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.toml is not valid TOML"):
        resolve(environ={}, config_files=[path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="There is no config file"):
        resolve(environ={}, config_files=[tmp_path / "none.toml"])


def test_an_assignment_is_text_unless_it_looks_like_an_array_a_table_or_quoted():
    assert parse_assignment("a.b=3") == ("a.b", "3")
    assert parse_assignment('a.b="3"') == ("a.b", "3")
    assert parse_assignment("a.b=[1, 2") == ("a.b", "[1, 2")
    assert parse_assignment("a.b=[1, 2]") == ("a.b", [1, 2])
    assert parse_assignment("a.b=some/path") == ("a.b", "some/path")
    assert parse_assignment("a.b=x=y") == ("a.b", "x=y")


def test_keys_nest_and_flatten_without_loss():
    flat = flatten(dump(Config()))
    assert set(flat) == set(DESCRIPTIONS)
    assert nest(flat) == dump(Config())


def test_every_key_is_explained():
    assert all(text for text in DESCRIPTIONS.values())


def test_a_trial_changes_only_its_parameters():
    changed = with_values(Config(), {"train.learning_rate": 2e-4, "model.hidden": 32})
    differing = {k for k, v in flatten(dump(changed)).items() if flatten(dump(Config()))[k] != v}
    assert differing == {"train.learning_rate", "model.hidden"}
    with pytest.raises(ConfigError, match="unknown key"):
        with_values(Config(), {"train.nothing": 1})


def test_the_hash_ignores_scale_and_place_and_nothing_else():
    base = config_hash(Config())
    for key, value in {
        "engine.n_trials": 99,
        "train.max_epochs": 99,
        "engine.study_name": "other",
        "data.path": "/elsewhere/panel.parquet",
        "data.cache_dir": "/elsewhere",
    }.items():
        assert config_hash(with_values(Config(), {key: value})) == base, key
    for key, value in {
        "train.seed": 1,
        "loss.rank_ic": 0.4,
        "split.warmup": 61,
        "label.entry_lag": 1,
        "search": {},
        "data.normalise": "zscore",
    }.items():
        assert config_hash(with_values(Config(), {key: value})) != base, key


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        ("model.dropout=0.2..0.5", {"low": 0.2, "high": 0.5, "log": False}),
        ("train.learning_rate=1e-4..1e-2,log", {"low": 1e-4, "high": 1e-2, "log": True}),
        ("model.hidden=32,64", {"choices": (32, 64)}),
        ("model.hidden={choices=[8, 16]}", {"choices": (8, 16)}),
        ("model.graph=true,false", {"choices": (True, False)}),
    ],
)
def test_one_entry_of_the_search_space_is_changed_and_the_others_stay(typed, entry):
    key = typed.partition("=")[0]
    found = resolve(assignments=[f"search.{typed}"], environ={})
    known = resolve(environ={}).config.search
    assert found.config.search[key].model_dump() == entry
    assert {k: v for k, v in found.config.search.items() if k != key} == {
        k: v for k, v in known.items() if k != key
    }
    assert found.origins["search"] == "--set"


def test_an_entry_reads_back_as_it_is_shown():
    known = resolve(environ={}).config.search
    typed = [f"search.{key}={entry_text(entry)}" for key, entry in known.items()]
    assert resolve(assignments=["search={}", *typed], environ={}).config.search == known


def test_an_entry_that_is_fixed_is_not_searched():
    found = resolve(assignments=["search.loss.sharpe=fixed"], environ={})
    assert "loss.sharpe" not in found.config.search
    assert "loss.rank_ic" in found.config.search


def test_entries_are_changed_on_top_of_what_a_file_says():
    found = resolve(
        runbook={"search": {"model.hidden": {"choices": [32, 64]}}},
        assignments=["search.model.dropout=0.1..0.5"],
        environ={},
    )
    assert sorted(found.config.search) == ["model.dropout", "model.hidden"]


@pytest.mark.parametrize("typed", ["model.dropout=0.5..0.1", "model.dropout=a..b", "model.hidden="])
def test_an_entry_that_is_none_is_refused(typed):
    with pytest.raises(ConfigError, match="search"):
        resolve(assignments=[f"search.{typed}"], environ={})


def test_a_value_that_fits_none_of_several_forms_gives_one_line_without_their_inner_names():
    with pytest.raises(ConfigError) as caught:
        resolve(assignments=["ray.gpus=-1", 'label.horizons=[1, "a"]'], environ={})
    assert caught.value.message.splitlines() == [
        "--set: label.horizons.1 = [1, 'a']: Input should be a valid integer, unable to parse "
        "string as an integer.",
        "--set: ray.gpus = '-1': Input should be 'auto' or greater than or equal to 0.",
    ]
