"""Write a run directory from any program, for `atft-tui` and `atft` to read. One file, copy it.

    from atft_writer import Run            # or: from atft_core.writer import Run

    with Run("output/mine", epochs=10, objective="ic") as run:
        with run.trial(lr=1e-3) as trial:
            for epoch in range(1, 11):
                ...
                trial.epoch(epoch, train={"loss": 0.5}, val={"ic": 0.03})
                if trial.stop_asked():     # `atft stop`, or x in the console
                    break

Python's standard library alone, 3.9 or newer, Linux. Whoever is killed is seen as DIED, whoever
raises as FAILED with the reason. Numbers that are not finite are left out. Of several ranks one
writes: make the run where RANK is 0. `atft_core.callbacks` are for Lightning and Hugging Face.

`events.jsonl` has one JSON object per line, {"seq", "t", "kind", ..., "crc"}: the CRC-32 of what
stands before it. `engine.lock` is locked while the run is at work.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import math
import operator
import os
import re
import socket
import statistics
import struct
import sys
import threading
import time
import uuid
import zlib
from pathlib import Path
from typing import Any

SCHEMA = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_MOST, MOST_COUNT = 1e18, 10**9
"""Beyond them a number is none that a run can have: readers take no larger ones."""
_PERIOD = 0.5
"""Seconds between two words about progress."""
_LAST = 3
"""A trial is worth the median of so many last epochs: the best one would be selection."""


def summed(text: str) -> str:
    """A line of JSON with its sum."""
    body = text[:-1]
    return f'{body},"crc":"{zlib.crc32(body.encode()):08x}"}}'


class Run:
    """A run at work; a context manager."""

    DURABLE = True
    """Whether what is told survives a power cut."""
    CODE = f"writer {SCHEMA}"
    """What the run is told to have been made by."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        epochs: int,
        trials: int = 1,
        objective: str = "loss",
        horizon: int = 1,
        name: str = "",
        program: str = "",
        about: dict[str, Any] | None = None,
    ) -> None:
        """Make the directory, or NAME.2, NAME.3 ... where it holds a run already.

        `objective`: the validation metric that is best when largest; "-loss": when smallest.
        `horizon`: of metrics that name none, in days. `program`: what computes, this one if not
        said; `about`: settings, kept in config.toml.
        ValueError for a directory that cannot be one, and for counts below 1; OSError where
        nothing can be written.
        """
        counts = {"epochs": epochs, "trials": trials, "horizon": horizon}
        counts = {name: _count(name, count) for name, count in counts.items()}
        self.path, self._lock = _made(Path(directory).absolute())
        self.objective, self.horizon, self.epochs = objective, counts["horizon"], counts["epochs"]
        self._pid, self._turn = os.getpid(), threading.Lock()
        self._seq, self._numbers, self._answered = 0, 0, set()  # type: int, int, set[str]
        self._ends: list[str] = []
        self.stop = ""
        """"now" or "after", once somebody has asked for the end."""
        self._file = _laid_out(self.path, about or {})
        self._begin(name or self.path.name, counts["trials"], program)

    def _begin(self, study: str, trials: int, program: str) -> None:
        words = program or " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        self.event("run_started", run=self.path.name, study_name=study, n_trials=trials,
                   max_epochs=self.epochs, horizon=self.horizon, objective=self.objective,
                   identity={"hung_seconds": 1e9, "code": self.CODE})  # fmt: skip
        self.event("engine_started", pid=os.getpid(), start_time=_start_time(),
                   host=socket.gethostname(), code=self.CODE)  # fmt: skip
        self.event("data_ready", facts={"path": words, "command": words, "inputs": []}, split={})
        _write(self.path / "run.json", json.dumps({
            "schema": SCHEMA, "id": uuid.uuid4().hex, "created": time.time(), "stage": "",
            "study_name": study, "argv": sys.argv, "cwd": str(Path.cwd()),
            "host": socket.gethostname(), "python": sys.version.split()[0],
            "data": {"path": words, "command": words}, "identity": {},
        }, indent=1))  # fmt: skip

    def trial(self, **params: Any) -> Trial:
        """The next trial, with its parameters; a context manager."""
        with self._turn:
            number = self._numbers
            self._numbers += 1
        return Trial(self, number, params)

    def event(self, kind: str, *, at: float | None = None, **fields: Any) -> None:
        """Add a line to the log; on disk when this returns. `at`: when it happened, if not now."""
        if os.getpid() != self._pid:  # a fork: the run is its parent's
            return
        if self._file < 0:
            raise ValueError("this run is closed")
        t = round(time.time() if at is None else at, 3)
        with self._turn:
            record = {"seq": self._seq + 1, "t": t, "kind": kind, **_finite(fields)}
            text = json.dumps(record, allow_nan=False, separators=(",", ":"))
            line, size = (summed(text) + "\n").encode(), os.fstat(self._file).st_size
            self._seq += 1  # first: after Ctrl-C a number may be missing, and never be there twice
            try:
                if os.write(self._file, line) != len(line):  # a full disk: leave no half line
                    os.ftruncate(self._file, size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            except OSError:
                self._seq -= 1
                raise
        if self.DURABLE and kind != "progress":
            os.fsync(self._file)

    def log(self, text: str) -> None:
        """Add a line to the log that people read."""
        if os.getpid() != self._pid:
            return
        place = self.path / "logs" / "ml_training.log"
        with place.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def stop_asked(self) -> bool:
        """Whether somebody wants this run to end; whatever else is asked is answered with a no."""
        for path in sorted((self.path / "requests").glob("*.json")):
            if path.stem not in self._answered:
                self._answered.add(path.stem)
                self._answer(path)
        return bool(self.stop)

    def close(self, state: str = "FINISHED", reason: str = "") -> None:
        """Say how it ended: FINISHED, STOPPED or FAILED."""
        if self._file < 0 or os.getpid() != self._pid:
            return
        if state not in ("FINISHED", "STOPPED", "FAILED"):
            raise ValueError(f"{state!r}: FINISHED, STOPPED or FAILED")
        if state == "FINISHED" and self.stop:
            state, reason = "STOPPED", "stopped on request"
        elif state == "FINISHED" and self._ends and "COMPLETE" not in self._ends:
            state, reason = "FAILED", "no trial completed"
        self.event("run_ended", state=state, reason=reason)
        self.log(f"Run {state}" + (f": {reason}" if reason else ""))
        os.close(self._file)
        self._file = -1
        os.ftruncate(self._lock, 0)
        os.close(self._lock)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.close(*(("FAILED", _said(error)) if error else ()))

    def _answer(self, path: Path) -> None:
        try:
            asked = json.loads(path.read_text(encoding="utf-8"))
            op, args, user = str(asked["op"]), asked.get("args"), str(asked.get("user", ""))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            op, args, user = "", {}, ""
        if ok := op == "stop":
            now = isinstance(args, dict) and bool(args.get("now"))
            self.stop = "now" if now else "after"
            self.event("stop_requested", now=now, user=user)
        said = "" if ok else "this program only knows how to stop"
        self.event("requested", id=path.stem, op=op, ok=ok, message=said)


class Trial:
    """A trial at work; a context manager."""

    def __init__(self, run: Run, number: int, params: dict[str, Any]) -> None:
        self.run, self.number = run, number
        self._rows: list[dict[str, Any]] = []
        self._seq, self._since, self._state, self._progressed = 0, time.time(), "", 0.0
        self._path, self._kept = run.path / f"trial_{number}", 0.0
        if os.getpid() == run._pid:  # else a fork: the run is its parent's
            self._path.mkdir()
            _write(self._path / "params.json", json.dumps({"params": _finite(params)}))
        run.event("trial_intent", trial=number)
        run.event("trial_asked", trial=number, params=params)
        run.event("worker_started", trial=number, attempt=1, pid=os.getpid(),
                  start_time=_start_time())  # fmt: skip
        run.log(f"Trial {number} " + " ".join(f"{key}={value}" for key, value in params.items()))

    def progress(self, epoch: int, batch: int, batches: float, phase: str = "train") -> None:
        """Where in an epoch it is; told twice a second at most."""
        now = time.monotonic()
        if now - self._progressed < _PERIOD and batch < batches:
            return
        self._progressed = now
        batches = int(batches) if math.isfinite(batches) else 0
        self._tell("progress", epoch=epoch, phase=phase, batch=batch, batches=batches)

    def epoch(
        self,
        epoch: int,
        *,
        train: dict[str, float] | None = None,
        val: dict[Any, Any] | None = None,
        seconds: float | None = None,
    ) -> None:
        """An epoch has ended. `val`: metrics, or metrics by horizon: {1: {"ic": ..}, 5: {..}}."""
        now, horizon = time.time(), str(self.run.horizon)
        told = val or {}
        nested = bool(told) and all(isinstance(each, dict) for each in told.values())
        found = {str(h): each for h, each in told.items()} if nested else {horizon: told}
        row = _finite({
            "epoch": int(epoch), "seconds": now - self._since if seconds is None else seconds,
            "batches": 0, "batches_available": 0,
            "time": {"train_start": self._since, "train_end": now},
            "train": _numbers(train or {}), "val": {h: _numbers(each) for h, each in found.items()},
        })  # fmt: skip
        self._since = now
        self._rows.append(row)
        self._tell("epoch", **row)
        self._metrics("running")
        said = " ".join(f"{k} {v:.5g}" for k, v in row["val"].get(horizon, {}).items())
        self.run.log(f"Epoch {epoch}/{self.run.epochs} trial {self.number} Val Metrics {said}")

    def stop_asked(self) -> bool:
        """Whether somebody wants the run to end."""
        return self.run.stop_asked()

    @property
    def value(self) -> float | None:
        """The median of the objective over its last epochs with metrics; None where the last of
        these had none.
        """
        name, horizon = self.run.objective.lstrip("-"), str(self.run.horizon)
        rows = [row["val"] for row in self._rows if any(row["val"].values())]
        told = [val.get(horizon, {}).get(name) for val in rows[-_LAST:]]
        known = [value for value in told if value is not None] if told[-1:] != [None] else []
        sign = -1 if self.run.objective.startswith("-") else 1
        return sign * statistics.median(known) if known else None

    def end(self, state: str = "COMPLETE", reason: str = "") -> None:
        """COMPLETE, PRUNED or FAIL; only the first two have a value."""
        if self._state:
            return
        if state not in ("COMPLETE", "PRUNED", "FAIL"):
            raise ValueError(f"{state!r}: COMPLETE, PRUNED or FAIL")
        if state == "COMPLETE" and self.value is None:
            state, reason = "FAIL", f"its last epoch told no {self.run.objective.lstrip('-')}"
        self._state = state
        self.run._ends.append(state)
        value = None if state == "FAIL" else self.value
        self.run.event("worker_exited", trial=self.number, attempt=1, ok=True, reason=reason)
        self.run.event("trial_ended", trial=self.number, state=state, value=value, reason=reason)
        self._metrics(state.lower())
        self.run.log(f"Trial {self.number} {state} value {value}" + f": {reason}" * bool(reason))

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.end(*(("FAIL", _said(error)) if error else ()))

    def _tell(self, kind: str, **fields: Any) -> None:
        self._seq += 1
        self.run.event(kind, trial=self.number, attempt=1, worker_seq=self._seq, said=time.time(),
                       up=round(time.monotonic(), 3), **fields)  # fmt: skip

    def _metrics(self, state: str) -> None:
        """All epochs, for programs that read no log; once a second at most, and at the end."""
        now = time.monotonic()
        if os.getpid() != self.run._pid or (state == "running" and now - self._kept < 2 * _PERIOD):
            return
        self._kept = now
        last = self._rows[-1]["val"] if self._rows else {}
        _write(self._path / "metrics.json", json.dumps({
            "trial": self.number, "state": state, "epochs": self._rows, "val": last, "holdout": None
        }))  # fmt: skip


def _count(name: str, value: Any) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if not 1 <= count <= MOST_COUNT or isinstance(value, bool):
        raise ValueError(f"{name}={value!r}: a whole number from 1 to {MOST_COUNT:,}")
    return count


def _made(wanted: Path) -> tuple[Path, int]:
    """A directory of this process alone, and its lock: whoever makes the lock has it."""
    if not _NAME.fullmatch(wanted.name):
        raise ValueError(f"{wanted.name!r}: 1 to 64 letters, digits, '.', '_' or '-'")
    for count in itertools.count(1):
        path = wanted if count == 1 else wanted.with_name(f"{wanted.name}.{count}")
        try:
            path.mkdir(parents=True, mode=0o700, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ValueError(f"{path} cannot be a directory: a file is in the way") from error
        held = {each.name for each in path.iterdir()}
        if count == 1 and held and not held & {"run.json", "engine.lock"}:
            raise ValueError(f"{wanted} holds something that is no run")
        lock = None if held else _locked(path / "engine.lock")
        if lock is not None:
            path.chmod(0o700)
            return path, lock
    raise AssertionError


def _locked(path: Path) -> int | None:
    """None where another process was faster."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        return None
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK)
    os.write(fd, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    return fd


def _laid_out(path: Path, about: dict[str, Any]) -> int:
    """What every run directory has; the log, to append to."""
    for part in ("logs", "requests"):
        (path / part).mkdir()
    config = "\n".join(f"{_toml(str(key))} = {_toml(value)}" for key, value in about.items())
    _write(path / "config.toml", f"[about]\n{config}\n")
    return os.open(path / "events.jsonl", _APPEND, 0o640)


def _start_time() -> float:
    """Clock ticks after boot at which this process started: with its number it is one of a kind."""
    stat = Path("/proc/self/stat").read_text(encoding="utf-8")
    return float(stat.rpartition(")")[2].split()[19])


def _write(path: Path, text: str) -> None:
    """Old or new, never half of it."""
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    half.write_text(text + "\n", encoding="utf-8", errors="replace")
    half.replace(path)


def _finite(value: Any) -> Any:
    """What JSON can hold; numbers of other libraries as Python's, without those that are none."""
    if isinstance(value, dict):
        kept = {str(key): _finite(each) for key, each in value.items()}
        return {k: v for k, v in kept.items() if v is not None or value.get(k) is None}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return None if isinstance(value, int) and not -_MOST < value < _MOST else value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None


def _numbers(told: dict[Any, Any]) -> dict[str, float]:
    """Those that are numbers; a metric that is none, or beyond all measure, is left out."""
    found = {str(key): _finite(value) for key, value in told.items()}
    return {k: v for k, v in found.items() if type(v) in (int, float) and -_MOST < v < _MOST}


def _toml(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    plain = value if isinstance(value, (bool, int)) else str(value)
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def _said(error: BaseException) -> str:
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
