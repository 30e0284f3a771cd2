"""Checkpoints: whole or not there, from this trial or refused."""

import hashlib
import json
import os
import pickle

import pytest
import torch
from train_panels import make_config, make_panel

from atft_core.errors import CheckpointError
from atft_core.run.kept import is_whole, manifest_sum
from atft_core.train.checkpoint import Owner, newest, restore, save
from atft_core.train.loop import silent, train_epoch
from atft_core.train.setup import build_learner, feed_of, make_setup

torch.set_num_threads(1)
OWNER = Owner(3, "abc")


@pytest.fixture
def trained():
    setup = make_setup(make_config(), make_panel())
    feed = feed_of(setup)
    learner = build_learner(setup, 0)
    train_epoch(learner, feed, setup.split.train, seed=0, epoch=1, tick=silent)
    return setup, learner


def same(a, b):
    return all(torch.equal(x, b[name]) for name, x in a.items())


def test_everything_comes_back(tmp_path, trained):
    setup, learner = trained
    save(tmp_path / "c", learner, OWNER, 1, lambda: [{"epoch": 1}])
    found, notes = newest(tmp_path / "c", OWNER)
    other = build_learner(setup, 1)
    restore(found, other)
    assert (found.epoch, found.rows, notes, other.steps) == (1, [{"epoch": 1}], [], learner.steps)
    assert same(learner.model.state_dict(), other.model.state_dict())
    assert same(learner.ema.state_dict(), other.ema.state_dict())
    before, after = (x.optimiser.state_dict()["state"] for x in (learner, other))
    assert all(same(before[key], after[key]) for key in before)


def test_the_last_two_are_kept_and_unfinished_ones_are_cleared(tmp_path, trained):
    (tmp_path / ".epoch.99.tmp").mkdir()
    for epoch in (9_999, 10_000, 10_001):
        save(tmp_path, trained[1], OWNER, epoch, lambda: [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch_10000", "epoch_10001"]
    assert newest(tmp_path, OWNER)[0].epoch == 10_001


@pytest.mark.parametrize("what", ["flip", "truncate", "no weights", "no manifest", "half manifest"])
def test_a_damaged_one_is_named_and_the_older_serves(tmp_path, trained, what):
    for epoch in (1, 2):
        save(tmp_path, trained[1], OWNER, epoch, lambda: [])
    newer = tmp_path / "epoch_00002"
    weights, manifest = newer / "weights.safetensors", newer / "manifest.json"
    if what == "flip":
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    elif what == "truncate":
        os.truncate(newer / "optimiser.pt", 100)
    elif what == "no weights":
        weights.unlink()
    elif what == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text('{"epoch": 2}')
    found, notes = newest(tmp_path, OWNER)
    assert found.epoch == 1
    assert len(notes) == 1
    assert "epoch_00002" in notes[0]


def test_without_any_good_one_training_begins_anew(tmp_path, trained):
    assert newest(tmp_path / "none", OWNER) == (None, [])
    place = save(tmp_path, trained[1], OWNER, 1, lambda: [])
    (place / "manifest.json").unlink()
    assert newest(tmp_path, OWNER)[0] is None


@pytest.mark.parametrize("owner", [Owner(4, "abc"), Owner(3, "xyz")])
def test_one_of_another_trial_or_configuration_is_refused(tmp_path, trained, owner):
    save(tmp_path, trained[1], OWNER, 1, lambda: [])
    with pytest.raises(CheckpointError, match="belongs to trial 3"):
        newest(tmp_path, owner)


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_row_that_turned_in_the_manifest_is_not_believed(tmp_path, trained):
    _, learner = trained
    for epoch in (1, 2):
        save(tmp_path, learner, OWNER, epoch, lambda: [{"rank_ic": 0.0512}])
    manifest = tmp_path / "epoch_00002" / "manifest.json"
    assert is_whole(tmp_path, 2)
    manifest.write_text(manifest.read_text().replace("0.0512", "0.0912"))
    assert not is_whole(tmp_path, 2)
    assert is_whole(tmp_path, 1)
    found, notes = newest(tmp_path, OWNER)
    assert found.epoch == 1
    assert "manifest.json is damaged" in notes[0]


def test_a_checkpoint_never_runs_code(tmp_path, trained):
    setup, learner = trained
    place = save(tmp_path, learner, OWNER, 1, lambda: [])
    payload = pickle.dumps(Hostile(str(tmp_path / "owned")), protocol=2)
    (place / "optimiser.pt").write_bytes(payload)
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["sha256"]["optimiser.pt"] = hashlib.sha256(payload).hexdigest()
    del manifest["sha256"]["manifest.json"]
    manifest["sha256"]["manifest.json"] = manifest_sum(manifest)
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(pickle.UnpicklingError):
        restore(newest(tmp_path, OWNER)[0], build_learner(setup, 0))
    assert not (tmp_path / "owned").exists()
