"""`atft stacks`: where every process of a run is right now, written down before it is ended."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from atft_core.cli.output import print_json, say
from atft_core.errors import AtftError
from atft_core.run.directory import RunDirectory
from atft_core.run.files import write_atomically
from atft_core.run.foreign import clean
from atft_core.run.processes.alive import (
    alive,
    doing,
    signal_listener,
    start_time,
    state_of,
    waits_in,
)
from atft_core.run.state import State
from atft_core.run.status import read_status

PATIENCE = 2.0
"""Seconds in which a process that is well has written its stacks."""
_SETTLED = 0.15


@dataclass(frozen=True)
class Dump:
    """One process: what the kernel says it does, and where its threads are."""

    role: str
    pid: int
    doing: str
    stacks: str


def stacks(run_dir: Path, *, as_json: bool) -> None:
    """Ask each process for its stacks, keep them in the run directory and show them."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    state, status = read_status(run)
    dumps = list(_dumps(run, state))
    if not dumps:
        raise AtftError(
            f"{run_dir} has no process on this host: {status.name}.",
            hint=f"It ran on {state.host}." if state.host else "",
        )
    path = run.stacks / time.strftime("%Y%m%d-%H%M%S.txt")
    text = _page(run_dir, status.name, dumps)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, text.encode(), durable=False)
    if as_json:
        print_json({"file": str(path), "processes": [asdict(dump) for dump in dumps]})
    else:
        say(f"{text}kept in {path}")


def _page(run_dir: Path, status: str, dumps: list[Dump]) -> str:
    parts = [f"{time.strftime('%Y-%m-%d %H:%M:%S')} {run_dir} {status}\n"]
    for dump in dumps:
        stacks = "\n".join(clean(text, 400) for text in dump.stacks.splitlines())
        parts.append(f"\n== {dump.role}, pid {dump.pid}, {dump.doing}\n{stacks}\n")
    return "".join(parts)


def _dumps(run: RunDirectory, state: State) -> Iterator[Dump]:
    """The engine, the workers, and what they started."""
    known = [("engine", state.engine_pid, state.engine_start_time, run.engine_stacks)]
    known += [
        (f"trial {t.number}", t.pid, t.start_time, run.trial(t.number).stacks)
        for t in state.trials.values()
        if t.pid
    ]
    told = set()
    for role, pid, started, path in known:
        if alive(pid, started):
            told.add(pid)
            yield Dump(role, pid, _doing(pid), _own_stacks(pid, started, path))
    for pid in sorted(_descendants(told) - told):
        yield Dump(_name(pid), pid, _doing(pid), _seen_from_outside(pid))


def _own_stacks(pid: int, started: float, path: Path) -> str:
    """What the process itself writes on SIGUSR1; py-spy's view where it cannot."""
    before = _size(path)
    if signal_listener(pid, started, signal.SIGUSR1):
        give_up = time.monotonic() + PATIENCE
        while _size(path) <= before and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(_SETTLED)
        with suppress(OSError), path.open("rb") as file:  # somebody may have removed it
            file.seek(before if _size(path) >= before else 0)
            if found := file.read().decode(errors="replace"):
                return found
    return _seen_from_outside(pid)


def _seen_from_outside(pid: int) -> str:
    """By py-spy where it is installed and allowed to look, else where in the kernel it waits."""
    spy = shutil.which("py-spy")
    with suppress(subprocess.SubprocessError, OSError):
        if spy:
            done = subprocess.run(
                [spy, "dump", "--pid", str(pid)], capture_output=True, text=True, check=True,
                timeout=20,
            )  # fmt: skip
            return done.stdout
    waits = waits_in(pid)
    return f"waits in the kernel: {waits}" if waits else "does not answer, and py-spy cannot look"


def _doing(pid: int) -> str:
    letter = state_of(pid)
    return f"{letter} ({doing(letter)})" if letter else "gone"


def _descendants(pids: set[int]) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        try:
            found |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        except psutil.Error:  # it ended meanwhile
            continue
    return {pid for pid in found if start_time(pid)}


def _name(pid: int) -> str:
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return "process"
    return clean(" ".join(Path(word).name for word in words[:6] if not word.startswith("-")), 60)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
