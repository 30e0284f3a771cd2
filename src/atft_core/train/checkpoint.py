"""Checkpoints of a trial: either whole or not there.

    checkpoints/epoch_00007/  weights.safetensors  model.* and ema.*
                              optimiser.pt         read with weights_only=True
                              manifest.json        what it belongs to, and the sha256 of all three

Written beside their place, fsynced and renamed. The last two are kept: when the newer is damaged,
the older serves. Random states are not kept, since every epoch is seeded by its number.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from atft_core.errors import CheckpointError
from atft_core.run.events import Json
from atft_core.run.faults import before
from atft_core.run.files import (
    fsync_directory,
    read_json,
    read_regular,
    write_atomically,
    write_json,
)
from atft_core.run.kept import MANIFEST, manifest_sum
from atft_core.train.step import Learner

KEEP = 2
KEYS = {"trial": int, "config_hash": str, "epoch": int, "steps": int, "rows": list, "sha256": dict}
"""What a manifest must have, and of which type."""
WEIGHTS, OPTIMISER = "weights.safetensors", "optimiser.pt"


@dataclass(frozen=True)
class Owner:
    """What a checkpoint belongs to."""

    trial: int
    config_hash: str


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint in memory."""

    path: Path
    owner: Owner
    epoch: int
    steps: int
    rows: list[Json]
    """The epochs so far, as in metrics.json."""
    weights: bytes
    optimiser: bytes


def save(
    directory: Path, learner: Learner, owner: Owner, epoch: int, rows: Callable[[], list[Json]]
) -> Path:
    """Store the learner after `epoch`; older checkpoints than the last two are removed.

    `rows` is asked once the weights are on disk, so that the epoch's row can tell what that took.
    """
    directory.mkdir(exist_ok=True)
    files = {WEIGHTS: _weights(learner), OPTIMISER: _optimiser(learner)}
    _remove_unfinished(directory)
    temporary = directory / f".epoch.{os.getpid()}.tmp"
    temporary.mkdir()
    for name, data in files.items():
        write_atomically(temporary / name, data)
    manifest: Json = {
        "schema": 1,
        "trial": owner.trial,
        "config_hash": owner.config_hash,
        "epoch": epoch,
        "steps": learner.steps,
        "torch": torch.__version__,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "rows": rows(),
    }
    manifest["sha256"][MANIFEST] = manifest_sum(manifest)
    write_json(temporary / MANIFEST, manifest)
    place = directory / f"epoch_{epoch:05d}"
    shutil.rmtree(place, ignore_errors=True)  # a damaged one, or the epoch would not be repeated
    before("rename checkpoint")
    temporary.rename(place)
    fsync_directory(directory)
    before("remove old checkpoint")
    for old in _newest_first(directory)[KEEP:]:
        shutil.rmtree(old)
    return place


def newest(directory: Path, owner: Owner) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and notes about those that are not.

    CheckpointError when it belongs to another trial or configuration: going on from it would
    train something that nobody asked for.
    """
    notes: list[str] = []
    for path in _newest_first(directory):
        found = _read(path)
        if isinstance(found, Checkpoint):
            _refuse_foreign(found, owner)
            return found, notes
        notes.append(f"checkpoint {path.name} is not usable: {found}")
    return None, notes


def restore(checkpoint: Checkpoint, learner: Learner) -> None:
    """Put everything back, so that training goes on as if it had never ended."""
    load_weights(checkpoint, model=learner.model, ema=learner.ema)
    state = torch.load(io.BytesIO(checkpoint.optimiser), map_location="cpu", weights_only=True)
    learner.optimiser.load_state_dict(state)
    learner.steps = checkpoint.steps


def load_weights(checkpoint: Checkpoint, **modules: nn.Module) -> None:
    """Fill `model` and `ema`, or one of them, from a checkpoint."""
    tensors = load_tensors(checkpoint.weights)
    for prefix, module in modules.items():
        own = {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
        module.load_state_dict(own)


def _weights(learner: Learner) -> bytes:
    tensors = {
        f"{prefix}.{name}": tensor.detach().contiguous()
        for prefix, module in (("model", learner.model), ("ema", learner.ema))
        for name, tensor in module.state_dict().items()
    }
    data: bytes = save_tensors(tensors)
    return data


def _optimiser(learner: Learner) -> bytes:
    buffer = io.BytesIO()
    torch.save(learner.optimiser.state_dict(), buffer)
    return buffer.getvalue()


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob("epoch_*"), reverse=True)


def _remove_unfinished(directory: Path) -> None:
    for left in directory.glob(".epoch.*.tmp"):
        shutil.rmtree(left)


def _read(path: Path) -> Checkpoint | str:
    """The checkpoint, or what is wrong with it."""
    manifest: Any = read_json(path / MANIFEST)
    if not isinstance(manifest, dict) or not all(
        isinstance(manifest.get(key), kind) for key, kind in KEYS.items()
    ):
        return f"{MANIFEST} is missing or damaged"
    if manifest["sha256"].pop(MANIFEST, "") != manifest_sum(manifest):
        return f"{MANIFEST} is damaged"
    files: dict[str, bytes] = {}
    for name in (WEIGHTS, OPTIMISER):
        try:
            files[name] = read_regular(path / name)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        if hashlib.sha256(files[name]).hexdigest() != manifest["sha256"].get(name):
            return f"{name} is damaged"
    return Checkpoint(
        path=path,
        owner=Owner(manifest["trial"], manifest["config_hash"]),
        epoch=manifest["epoch"],
        steps=manifest["steps"],
        rows=manifest["rows"],
        weights=files[WEIGHTS],
        optimiser=files[OPTIMISER],
    )


def _refuse_foreign(checkpoint: Checkpoint, owner: Owner) -> None:
    found = checkpoint.owner
    if found != owner:
        raise CheckpointError(
            f"{checkpoint.path} belongs to trial {found.trial} with configuration "
            f"{found.config_hash}, not to trial {owner.trial} with {owner.config_hash}.",
            hint="Was config.toml or params.json edited? Start a new run.",
        )
