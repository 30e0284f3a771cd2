"""The way into a Ray cluster: one that lets nobody in who has no token."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from atft_core.config.engine import RayConfig
from atft_core.config.schema import Config
from atft_core.errors import ConfigError, EngineError
from atft_core.launch import program

MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 -- its name
TOKEN_FILE = "RAY_AUTH_TOKEN_PATH"  # noqa: S105 -- its name
CONNECT_SECONDS = 10.0
ASK_SECONDS = 60.0
"""For a cluster to answer, or to refuse."""
_HOW = "`atft cluster up` starts one with a token, and says how other machines join it."


def ray_module() -> Any:
    """Ray, silent; ConfigError where it is not installed."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # CUDA_VISIBLE_DEVICES stays
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            'engine.executor = "ray", but Ray is not installed.', hint="pip install 'atft[ray]'"
        ) from error
    return ray


def ray_command(*words: str) -> list[str]:
    """What starts `ray` of this interpreter."""
    return program("ray.scripts.scripts", *words)


def enter_cluster(config: Config) -> None:
    """Where trials run on one; found out before there is a run. Errors as of `connect`."""
    if config.engine.executor == "ray":
        connect(config.ray)


def connect(config: RayConfig) -> Any:
    """Ray, connected; EngineError where there is no cluster, or one that anybody may enter."""
    _choose_token()
    ray = ray_module()
    if ray.is_initialized():
        return ray
    _refuse_silent(config.address)
    try:
        ray.init(address=config.address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # whatever Ray raises, from ValueError to its own
        raise EngineError(
            f"The Ray cluster {config.address!r} cannot be entered: {first_line(error)}.", hint=_HOW
        ) from error
    if why := why_open(str(ray.get_runtime_context().gcs_address)):
        ray.shutdown()
        raise EngineError(
            f"The Ray cluster {config.address!r} {why}; whoever is in can run programs as you.",
            hint=f"Start it with {MODE}=token. {_HOW}",
        )
    return ray


def _refuse_silent(address: str) -> None:
    """Ray would try for minutes where nobody listens."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise EngineError(
            f"The Ray cluster {address!r} cannot be entered: {error.strerror or error}.", hint=_HOW
        ) from error


def _choose_token() -> None:
    """Show the token that there is, unless something else was asked for."""
    own = Path.home() / ".ray" / "auth_token"
    if os.environ.get(TOKEN) or os.environ.get(TOKEN_FILE) or own.is_file():
        os.environ.setdefault(MODE, "token")


def why_open(address: str) -> str:
    """What speaks for it that a cluster answers a program without a token; empty where it says
    that it does not.
    """
    hidden = {TOKEN, TOKEN_FILE}
    without = {name: value for name, value in os.environ.items() if name not in hidden}
    try:
        done = subprocess.run(
            ray_command("status", "--address", address), env={**without, MODE: "disabled"},
            capture_output=True, check=False, timeout=ASK_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"did not ask for a token within {ASK_SECONDS:.0f} s"
    if done.returncode == 0:
        return "lets everybody in who reaches its port"
    said = done.stderr.decode(errors="replace").strip()
    if "authenticat" in said.lower():
        return ""
    return f"did not ask for a token ({said.splitlines()[-1] if said else 'it said nothing'})"


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[0].strip().rstrip(".") if lines else repr(error)
