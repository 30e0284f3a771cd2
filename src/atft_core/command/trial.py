"""One trial that a program of the user's computes: its lines become the trial's epochs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from atft_core.command.files import changed, refuse_other_words
from atft_core.command.listen import Ear
from atft_core.command.program import Program, die_of
from atft_core.config.command import PLACES
from atft_core.config.hashing import code_version, with_plugins
from atft_core.config.load import read_resolved, with_values
from atft_core.config.schema import Config
from atft_core.errors import EngineError, RunDirectoryError
from atft_core.run.directory import RunDirectory
from atft_core.run.epochs import epoch_row
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_core.run.judge.measure import median_of_last
from atft_core.run.plugins import sums_in
from atft_core.run.processes.alive import JOB_DIR
from atft_core.train.report import ENDINGS, Interrupted, LastWord, Reporter, log, state_of

LISTEN_SECONDS = 0.5
"""Between two looks for an order while the program says nothing."""
_MEMORY = ("out of memory", "outofmemory", "memoryerror", "allocate memory", "bad_alloc",
           "resource_exhausted")  # fmt: skip
"""What programs say that found no memory, in small letters."""


def run_trial(
    run: RunDirectory, trial: int, attempt: int, word: LastWord, *, threads: int = 0
) -> None:
    """Run the program to its end, or to the engine's order."""
    config, files = _configured(run, trial), run.trial(trial)
    reporter = Reporter(files, trial, attempt)
    with reporter.journal:
        reporter.tell("load")
        rows = _earlier(files.metrics)
        for row in rows:
            reporter.epoch_ended(row)
        argv = words(config, run, trial, threads)
        place = run.place()
        seen = {"feed": "program", "command": argv, "cwd": str(place), "pid": os.getpid()}
        reporter.settings({**seen, "seed": config.train.seed, **_code(run, place)})
        log.info("Runs %s", " ".join(argv))
        told = Told(run, trial, config, reporter, rows)
        try:
            signal.signal(signal.SIGTERM, _end)
            environment = _environment(run, trial, attempt)
            word.state, word.value = told.see_through(argv, environment, place)
        except Exception as error:
            told.write(state_of(error))
            raise
        finally:
            word.epoch = rows[-1]["epoch"] if rows else 0


def words(config: Config, run: RunDirectory, trial: int, threads: int) -> list[str]:
    """The program and its words, with what this trial has in their places."""
    places = (config.train.max_epochs, trial, config.train.seed, threads or config.train.threads,
              run.trial(trial).path)  # fmt: skip
    values: Mapping[str, Any] = {**config.command.params, **dict(zip(PLACES, places, strict=True))}
    return [word.format(**values) for word in config.command.argv]


class Told:
    """A trial in progress: what its program has told so far."""

    def __init__(
        self, run: RunDirectory, trial: int, config: Config, reporter: Reporter, rows: list[Json]
    ) -> None:
        self._files, self._trial = run.trial(trial), trial
        self._config, self._reporter, self._rows = config, reporter, rows
        earlier: Any = read_json(self._files.metrics) or {}
        first = earlier.get("counts_from") if isinstance(earlier, dict) else None
        self._ear = Ear(config.command, config.objective.horizon, first)

    def see_through(
        self, argv: list[str], environment: dict[str, str], place: Path
    ) -> tuple[str, float | None]:
        """How it ended, and its value; EngineError with its last line where it failed."""
        try:
            program = Program(argv, environment, place)
        except OSError as error:
            raise EngineError(f"{argv[0]} cannot be started: {error.strerror or error}") from error
        try:
            for line in program.lines(LISTEN_SECONDS):
                self._hear(line)
        except BaseException as error:
            program.end(self._config.command.stop_seconds, _print)
            if isinstance(error, Interrupted):
                log.info("Ordered to %s after epoch %d", error.op, self.epoch)
                self.write(ENDINGS[error.op])
                return ENDINGS[error.op], self._value() if error.op == "prune" else None
            raise
        program.clear()
        return self._ended(program)

    @property
    def epoch(self) -> int:
        """The last finished one."""
        return int(self._rows[-1]["epoch"]) if self._rows else 0

    def write(self, state: str) -> None:
        """Rewrite metrics.json."""
        last = self._rows[-1]["val"] if self._rows else {}
        best = max(self._rows, key=self._figure, default={})
        write_json(self._files.metrics, {
            "trial": self._trial, "state": state, "best_epoch": best.get("epoch"),
            "epochs": self._rows, "val": last, "holdout": None, "counts_from": self._ear.first,
        })  # fmt: skip

    def _hear(self, line: str | None) -> None:
        """A line of the program, or that it has said nothing for a while."""
        self._reporter.obey()
        if line is None:
            return
        self._reporter.epoch = self.epoch + 1
        self._reporter.tell("train")
        if line:
            _print(line)
            self._take(self._ear.hear(line))

    def _take(self, row: Json | None) -> None:
        """An epoch; one that was told is not told again, be it by an earlier attempt."""
        if row is None:
            return
        if row["epoch"] <= self.epoch:
            log.info("Epoch %d was told before: that stands", row["epoch"])
            return
        self._rows.append(row)
        self.write("running")
        self._reporter.epoch_ended(row)
        val = row["val"][str(self._config.objective.horizon)]
        said = " ".join(f"{name} {number:.5g}" for name, number in val.items())
        log.info("Epoch %d/%d %s", row["epoch"], self._config.train.max_epochs, said)

    def _ended(self, program: Program) -> tuple[str, float | None]:
        if program.code < 0:
            die_of(-program.code)
        self._take(self._ear.rest())
        if program.code:
            raise _failure(program)
        value = self._value()
        if value is None:
            raise EngineError(
                f"the program ended well, but told no {self._config.command.value} of an epoch; "
                f"its last line: {program.last[:200]!r}",
                hint="command.patterns says in which lines the numbers are.",
            )
        self.write("complete")
        return "complete", value

    def _value(self) -> float | None:
        """The median over the last epochs, as of every trial."""
        told = [self._objective(row) for row in self._rows]
        return median_of_last(told, self._config.objective.last_epochs)

    def _objective(self, row: Json) -> float | None:
        wanted, horizon = self._config.command.value, self._config.objective.horizon
        return epoch_row({**row, "t": 0.0, "gpu": None}).objective(wanted, horizon)

    def _figure(self, row: Json) -> float:
        value = self._objective(row)
        return float("-inf") if value is None else value


def _print(line: str) -> None:
    """Into the trial's log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM: the program is ended in order; no last word, so the trial goes on later."""
    raise SystemExit(128 + number)


class ProgramError(EngineError):
    """It ended with another exit code than 0."""


class ProgramMemoryError(ProgramError, MemoryError):
    """So it says."""


def _failure(program: Program) -> ProgramError:
    """What its last line says of why it failed; one of the last, where that speaks of memory."""
    starved = [line for line in program.end_of_it if any(s in line.lower() for s in _MEMORY)]
    why = starved[-1] if starved else program.last
    said = f"exit code {program.code}: {why[:300]}" if why else f"exit code {program.code}"
    return ProgramMemoryError(said) if starved else ProgramError(said)


def _configured(run: RunDirectory, trial: int) -> Config:
    params: Any = read_json(run.trial(trial).params)
    if not isinstance(params, dict) or not isinstance(params.get("params"), dict):
        raise RunDirectoryError(f"{run.trial(trial).params} is missing or damaged.")
    config = read_resolved(run.config)
    refuse_other_words(config, params["params"])
    return with_values(config, params["params"])


def _earlier(metrics: Any) -> list[Json]:
    """What earlier attempts have told, in the order of epochs."""
    found: Any = read_json(metrics)
    rows = found.get("epochs") if isinstance(found, dict) else None
    return list(rows) if isinstance(rows, list) else []


def _environment(run: RunDirectory, trial: int, attempt: int) -> dict[str, str]:
    return {
        "ATFT_JOB_RUN": str(run.path), "ATFT_JOB_TRIAL": str(trial),
        "ATFT_JOB_ATTEMPT": str(attempt), JOB_DIR: str(run.trial(trial).path),
    }  # fmt: skip


def _code(run: RunDirectory, place: Path) -> Json:
    """The version of the code, and the scripts that are others than when the run started."""
    identity = run.facts().get("identity", {})
    scripts = identity.get("scripts")
    known, edited = scripts if isinstance(scripts, dict) else {}, changed(scripts, place)
    sums = {**sums_in(identity), **known, **edited}
    return {"code": with_plugins(code_version(), sums), "edited": edited}
