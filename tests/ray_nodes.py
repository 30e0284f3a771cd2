"""Ray clusters of their own for tests: real ones, several nodes on this machine, a token."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

PATIENCE = 90.0


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class RayNode:
    """`ray start --block`, which ends with all that it started."""

    def __init__(self, words, env, log: Path, before=()):
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*before, *command], env=env, stdout=out, stderr=out, start_new_session=True
            )
        give_up = time.monotonic() + PATIENCE
        while b"Ray runtime started" not in log.read_bytes():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.1)

    @property
    def alive(self):
        return self.process.poll() is None

    def kill(self):
        """As when the machine loses its power: everything at once."""
        every = [psutil.Process(self.process.pid)]
        with suppress(psutil.NoSuchProcess):
            every += every[0].children(recursive=True)
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


class RayCluster:
    """A head and other nodes; a node's workers compute in the environment that it has."""

    def __init__(self, home: Path, *, token=True, cpus=2, **env):
        self.home, self.cpus, self.nodes = home, cpus, []
        self.address = f"127.0.0.1:{free_port()}"
        own = {"RAY_AUTH_MODE": "disabled"}
        if token:
            own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(24)}
        self.access = {**own, "RAY_USAGE_STATS_ENABLED": "0"}
        self.env = {key: str(value) for key, value in env.items()}
        host, port = self.address.split(":")
        self.add("--head", "--port", port, "--node-ip-address", host,
                 "--include-dashboard=false")  # fmt: skip

    def add(self, *words, before=(), **env):
        """Another node; `before`: what starts it."""
        words = words or ("--address", self.address)
        env = {**os.environ, **self.access, **self.env, **env}
        log = self.home / f"node{len(self.nodes)}.log"
        limits = ("--num-cpus", str(self.cpus), "--num-gpus", "0",
                  "--object-store-memory", str(100 * 2**20))  # fmt: skip
        self.nodes.append(RayNode([*words, *limits], env, log, before))
        return self.nodes[-1]

    def ensure(self, count):
        """So many nodes are up."""
        while sum(node.alive for node in self.nodes) < count:
            self.add()

    def kill(self):
        for node in reversed(self.nodes):
            if node.alive:
                node.kill()


def unseeing(directory: Path, how: str = "") -> tuple[str, ...]:
    """What starts a program that sees nothing of a directory, or as the command `how` leaves it;
    skips where that is not possible.
    """
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root can hide a directory from a process (unshare)")
    how = how or f"mount -t tmpfs none {directory}"
    return "unshare", "-m", "sh", "-c", f'{how} && exec "$@"', "sh"


def a_cluster(home: Path, **options):
    """Skips where Ray is not installed."""
    pytest.importorskip("ray", reason="pip install 'atft[ray]'")
    made = RayCluster(home, **options)
    try:
        yield made
    finally:
        made.kill()
