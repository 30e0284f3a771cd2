"""`atft cluster`: Ray's own commands, shown before they are run. A cluster always has a token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from atft_core.cli.output import say
from atft_core.engine.cluster.connect import MODE, TOKEN, TOKEN_FILE, ray_command, ray_module

_OWN = Path("~/.ray/auth_token")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def up(host: str, port: int, join: str, gpus: int | None, cpus: int | None) -> int:
    """Start the head of a cluster on this machine, or join one; Ray's exit code."""
    ray_module()
    if code := _token(joins=bool(join)):
        return code
    if join:
        place = ["--address", join]
    else:
        place = ["--head", f"--port={port}", "--include-dashboard=false"]
    if host:
        place.append(f"--node-ip-address={host}")
    limits = [f"--num-gpus={gpus}"] if gpus is not None else []
    limits += [f"--num-cpus={cpus}"] if cpus is not None else []
    code, said = _ray("start", *place, *limits, "--disable-usage-stats")
    if code:
        say(said, to=sys.stderr)
    elif join:
        say("This machine has joined; `atft cluster status` shows it.")
    else:  # Ray's own next steps do not speak of the token
        at = f"{host or _address_in(said)}:{port}"
        say(
            f"\nOn every other machine, once it has this {_OWN} (mode 0600):\n"
            f"  atft cluster up --join {at}\n"
            f"Then: --set engine.executor=ray --set ray.address={at}"
        )
    return code


def status(address: str) -> int:
    """Who is in the cluster, and what of it is in use."""
    ray_module()
    return _shown(*_ray("status", *(["--address", address] if address else [])))


def down() -> int:
    """End whatever of Ray runs on this machine."""
    ray_module()
    code, said = _ray("stop")  # each process with its command line, and how many in the end
    last = said.strip().rpartition(" -- ")[2]
    return _shown(code, said if code else last)


def _token(*, joins: bool) -> int:
    """See to it that there is one: made for a head, brought along by a machine that joins."""
    own = _OWN.expanduser()
    if own.is_file() and own.stat().st_mode & 0o077:
        own.chmod(0o600)
        say(f"{_OWN} could be read by others on this machine: it is 0600 now", to=sys.stderr)
    if os.environ.get(TOKEN) or os.environ.get(TOKEN_FILE) or own.is_file():
        return 0
    if joins:
        say(
            f"atft: this machine has no token: copy {_OWN} from the head, mode 0600, or set "
            f"{TOKEN_FILE}.",
            to=sys.stderr,
        )
        return 2
    before = os.umask(0o077)  # Ray makes it as the umask has it
    try:
        return _ray("get-auth-token", "--generate")[0]  # what it says is the token
    finally:
        os.umask(before)


def _ray(*words: str) -> tuple[int, str]:
    """Say what is run, and run it; its exit code, and what it said."""
    say(f"$ {MODE}=token ray {' '.join(words)}")
    sys.stdout.flush()
    env = {**os.environ, MODE: "token"}
    done = subprocess.run(
        ray_command(*words), check=False, env=env, stdout=subprocess.PIPE, text=True,
        errors="replace",
    )  # fmt: skip
    return done.returncode, done.stdout


def _shown(code: int, said: str) -> int:
    say(said.rstrip())
    return code


def _address_in(said: str) -> str:
    """The one that Ray tells at the start of a head."""
    found = re.search(r"Local node IP: ([0-9A-Fa-f.:]+)", _COLOURS.sub("", said))
    return found[1] if found else "THIS_MACHINE"
