"""Names of the original system: applied, inactive with a reason, or refused."""

import pytest

from atft_core.config.environment import ORIGINAL, Applied, read_environment
from atft_core.config.keys import DESCRIPTIONS
from atft_core.errors import ConfigError


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


def test_other_names_are_nobody_of_ours():
    assert read_environment({"HOME": "/root", "LOSS": "1"}) == ({}, [])


def test_every_applied_name_points_at_a_key_that_exists():
    assert all(r.key in DESCRIPTIONS for r in ORIGINAL.values() if isinstance(r, Applied))
