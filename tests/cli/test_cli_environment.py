"""Names in the environment: each is applied, inactive with a reason, or refused before a run."""

import json

import pytest

HPO = ("hpo", "--data-path", "p.parquet", "--output-dir", "out", "--n-trials", "1",
       "--max-epochs", "1")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ATFT_TRAIN_MAX_EPOCH", "3", "did you mean train.max_epochs"),
        ("ATFT_NONSENSE", "3", "ATFT_NONSENSE is not a setting"),
        ("MULTIPROCESSING_CONTEXT", "fork", "fork deadlocks"),
        ("NUM_WORKERS", "many", "NUM_WORKERS='many' is not a value for data.workers"),
        ("RANKIC_WEIGHT", "-1", "loss.rank_ic"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_made(
    atft, tmp_path, monkeypatch, name, value, said
):
    monkeypatch.setenv(name, value)
    for command in (HPO, ("config", "show")):
        done = atft(*command)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_effect_is_shown_as_inactive_with_the_reason(atft, monkeypatch):
    monkeypatch.setenv("NUM_WORKERS", "8")
    monkeypatch.setenv("PERSISTENT_WORKERS", "1")
    monkeypatch.setenv("SHARPE_WEIGHT", "0.2")
    found = json.loads(atft("config", "show", "--json").out)
    shown = {notice["name"]: notice for notice in found["environment"]}
    assert {name: notice["status"] for name, notice in shown.items()} == {
        "NUM_WORKERS": "accepted, inactive",
        "PERSISTENT_WORKERS": "accepted, inactive",
        "SHARPE_WEIGHT": "applied",
    }
    assert "ring feed" in shown["NUM_WORKERS"]["detail"]
    assert shown["SHARPE_WEIGHT"]["detail"] == "loss.sharpe"
    assert found["keys"]["data.workers"]["value"] == 8
    assert "# environment: NUM_WORKERS=8 accepted, inactive" in atft("config", "show").out
