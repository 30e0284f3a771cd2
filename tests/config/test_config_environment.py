"""Names of the original system: applied, inactive with a reason, or refused."""

import pytest

from atft_core.config.environment import read_environment
from atft_core.config.hashing import config_hash
from atft_core.config.keys import DESCRIPTIONS
from atft_core.config.load import resolve
from atft_core.errors import ConfigError
from atft_core.run.settings.environ import ORIGINAL, Applied


def test_the_old_weights_are_applied():
    values, notices = read_environment(
        {"RANKIC_WEIGHT": "0.2", "PHASE_MAX_BATCHES": "100", "VAL_DEBUG_LOGGING": "1"}
    )
    assert values == {"loss.rank_ic": 0.2, "train.max_batches": 100, "train.val_debug": True}
    assert {n.status for n in notices} == {"applied"}


def test_a_name_without_meaning_says_why():
    values, notices = read_environment({"PERSISTENT_WORKERS": "1", "USE_RANKIC": "1"})
    assert values == {}
    assert all(n.status == "accepted, inactive" and n.detail for n in notices)


@pytest.mark.parametrize(
    "environ",
    [
        {"MULTIPROCESSING_CONTEXT": "fork"},
        {"USE_RANKIC": "0"},
        {"MC_DROPOUT_VAL": "1"},
        {"INVERT_PREDICTION_SIGN": "1"},
        {"RANKIC_WEIGHT": "much"},
        {"VAL_DEBUG_LOGGING": "maybe"},
        {"ATFT_TRAIN_MAX_EPOCH": "3"},
        {"ATFT_NONSENSE": "3"},
    ],
)
def test_what_atft_does_not_do_is_refused_by_name(environ):
    with pytest.raises(ConfigError) as caught:
        read_environment(environ)
    assert next(iter(environ)) in str(caught.value)


def test_our_own_names_set_any_key_and_win():
    values, _ = read_environment({"SHARPE_WEIGHT": "0.3", "ATFT_LOSS_SHARPE": "0.2"})
    assert values == {"loss.sharpe": "0.2"}


def test_arrays_and_tables_are_written_as_in_toml():
    found = resolve(
        environ={
            "ATFT_LABEL_HORIZONS": "[1, 5]",
            "ATFT_SEARCH": '{ "model.hidden" = { choices = [16, 32] } }',
            "ATFT_ENGINE_STUDY_NAME": "2026",
        }
    ).config
    assert found.label.horizons == (1, 5)
    assert list(found.search) == ["model.hidden"]
    assert found.engine.study_name == "2026"


@pytest.mark.parametrize("text", ["nan", "inf", "-1"])
def test_a_weight_that_is_no_weight_is_refused_with_its_origin(text):
    with pytest.raises(ConfigError, match=r"^environment: loss\.rank_ic"):
        resolve(environ={"RANKIC_WEIGHT": text})


def test_other_names_are_nobody_of_ours():
    assert read_environment({"HOME": "/root", "LOSS": "1"}) == ({}, [])


def test_every_applied_name_points_at_a_key_that_exists():
    assert all(r.key in DESCRIPTIONS for r in ORIGINAL.values() if isinstance(r, Applied))


def test_a_name_is_only_called_applied_where_it_won():
    environ = {"RANKIC_WEIGHT": "0.5", "ATFT_LOSS_RANK_IC": "0.3", "SHARPE_WEIGHT": "0.2"}
    found = resolve(assignments=["loss.rank_ic=0.7"], environ=environ)
    told = {n.name: (n.status, n.detail) for n in found.notices}
    assert found.config.loss.rank_ic == 0.7
    assert told["RANKIC_WEIGHT"] == ("accepted, inactive", "loss.rank_ic is set by --set")
    assert told["ATFT_LOSS_RANK_IC"] == ("accepted, inactive", "loss.rank_ic is set by --set")
    assert told["SHARPE_WEIGHT"] == ("applied", "loss.sharpe")
    _, notices = read_environment({"SHARPE_WEIGHT": "0.3", "ATFT_LOSS_SHARPE": "0.2"})
    assert notices[0].detail == "loss.sharpe is set by ATFT_LOSS_SHARPE"


@pytest.mark.parametrize("name", ["NUM_WORKERS", "ATFT_DATA_WORKERS"])
def test_workers_are_accepted_without_effect_and_close_no_gate(name):
    found = resolve(environ={name: "8"})
    assert found.config.data.workers == 8
    assert [n.status for n in found.notices] == ["accepted, inactive"]
    assert config_hash(found.config) == config_hash(resolve(environ={}).config)


def test_names_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="contradict"):
        read_environment({"USE_RANKIC": "1", "RANKIC_WEIGHT": "0"})
