"""What a process really has: its environment, its place among others, its limits. From /proc.

The environment is the one that it was started with: what it changed in itself later is not there.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from atft_core.run.processes.cgroups import cpu_limit, memory_limit
from atft_core.run.processes.table import command, descendants, processes, read_process

PRODUCER = "producer.py"
"""The file that a producer of the ring feed runs."""
_SECRET = re.compile("KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""The name and password in an address."""
_ENVIRON_BYTES = 1 << 20


@dataclass(frozen=True)
class ProcessFacts:
    """One live process of this host."""

    pid: int
    letter: str = ""
    threads: int | None = None
    nice: int | None = None
    cores: int | None = None
    """On which it may run."""
    cpu_limit: float | None = None
    """Cores' worth of time that its control group gives it."""
    memory_limit: int | None = None
    """Bytes that its control group gives it."""
    executable: str = ""
    producers: int = 0
    """Producers of the ring feed that it has."""
    environ: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    """Why its environment is not known."""


def facts_of(pid: int) -> ProcessFacts | None:
    """What is known about a process; None when it is gone."""
    process = read_process(pid)
    if process is None:
        return None
    environ, trouble = _environ(pid)
    return ProcessFacts(
        pid,
        letter=process.letter,
        threads=_threads(pid),
        nice=process.nice,
        cores=_cores(pid),
        cpu_limit=cpu_limit(pid),
        memory_limit=memory_limit(pid),
        executable=_executable(pid),
        producers=_producers(pid),
        environ=environ,
        trouble=trouble,
    )


def _environ(pid: int) -> tuple[dict[str, str], str]:
    path = Path(f"/proc/{pid}/environ")
    try:
        with path.open("rb") as file:
            text = file.read(_ENVIRON_BYTES).decode(errors="replace")
    except PermissionError:
        return {}, f"{path} may not be read: the process belongs to {_owner(pid)}"
    except OSError as error:
        return {}, f"{path} cannot be read: {error.strerror}"
    pairs = (entry.partition("=") for entry in text.split("\0") if "=" in entry)
    return {name: hidden(name, value) for name, _, value in pairs}, ""


def hidden(name: str, value: str) -> str:
    """A value without what nobody should read over a shoulder."""
    if _SECRET.search(name):
        return f"(hidden, {len(value)} characters)"
    return _LOGIN.sub("***", value)


def _owner(pid: int) -> str:
    """The user whose process it is."""
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return "somebody else"
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"


def _threads(pid: int) -> int | None:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 -- only counted
    return None


def _cores(pid: int) -> int | None:
    with suppress(OSError):
        return len(os.sched_getaffinity(pid))
    return None


def _executable(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""


def _producers(pid: int) -> int:
    started = descendants(processes(), [pid]) - {pid}
    return sum(any(Path(word).name == PRODUCER for word in command(each)[:4]) for each in started)
