"""Is this the same experiment? Hashes of a configuration and of the code that runs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atft_core import __version__
from atft_core.config.keys import dump, flatten
from atft_core.config.schema import Config
from atft_core.run.settings.environ import IDLE

SCALE_KEYS = ("engine.n_trials", "train.max_epochs", "engine.study_name")
"""What differs between the stages of one experiment."""
PLACE_KEYS = ("data.path", "data.sector", "data.cache_dir", "data.feed", "engine.group",
              "engine.slots", "train.devices_per_trial", "engine.storage", "engine.executor",
              "ray.address", "ray.gpus", "ray.cpus", "plugins.files",
              "command.inputs", "command.stop_seconds")  # fmt: skip
"""Where things lie, which way they come, and how many go at once."""


def config_hash(config: Config) -> str:
    """Hash of all settings but trials, epochs, names, places and those without an effect."""
    return _digest(json.dumps(_hashed(config), sort_keys=True).encode())


def differences(config: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """Both values of every key that makes their hashes differ."""
    ours, theirs = _hashed(config), _hashed(other)
    return {
        key: (ours.get(key), theirs.get(key))
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
    }


def _hashed(config: Config) -> dict[str, Any]:
    left_out = {*SCALE_KEYS, *PLACE_KEYS, *IDLE}
    return {key: value for key, value in flatten(dump(config)).items() if key not in left_out}


def code_version() -> str:
    """The version and a hash of the source files: an edited checkout is another version."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]}"


def with_plugins(code: str, sums: Mapping[str, str]) -> str:
    """The version of the code and of the plug-ins beside it; equal where there are none."""
    return f"{code}+{_digest(json.dumps(sums, sort_keys=True).encode())[:8]}" if sums else code


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
