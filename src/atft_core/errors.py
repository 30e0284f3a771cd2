"""Every error that atft raises on purpose, in one tree.

AtftError                 exit 1   something outside atft is not as it must be
├── UsageError            exit 2   the command line, the environment or a config file is wrong
│   └── ConfigError
├── DataError             exit 1   the panel cannot be read, or must not be trained on
├── RunDirectoryError     exit 1   a run directory cannot be created, read or written
│   └── RunBusyError      exit 1   another engine owns it
├── EngineError           exit 1   the engine or a worker did not do what it was asked
├── FeedError             exit 1   a process that delivers data is dead or hangs
├── NonFiniteLossError    exit 1   training diverged
├── CheckpointError       exit 1   a checkpoint that belongs to something else
├── CriteriaNotMetError   exit 3   the run ended, the evidence is not good enough
└── GateClosedError       exit 4   the stage before has not been passed

A message says what happened and where; the hint says what to do. The reader is tired.
"""

from __future__ import annotations


class AtftError(Exception):
    """Base of all expected errors: shown as a few lines, never as a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(AtftError):
    """The caller asked for something that does not exist or cannot be."""

    exit_code = 2


class ConfigError(UsageError):
    """A config file, a --set or an environment name is wrong."""


class DataError(AtftError):
    """A panel that cannot be read, or that would teach the model nonsense."""


class RunDirectoryError(AtftError):
    """A run directory that cannot be created, read or written."""


class RunBusyError(RunDirectoryError):
    """Another engine holds the lock of this run directory."""


class EngineError(AtftError):
    """The engine, or a worker, did not do what it was asked."""


class FeedError(AtftError):
    """A process that delivers data is dead or hangs."""


class NonFiniteLossError(AtftError):
    """The loss became NaN or infinite: the weights are lost from here on."""


class CheckpointError(AtftError):
    """A checkpoint of another trial, or of another configuration."""


class CriteriaNotMetError(AtftError):
    """The run is over and its evidence does not meet the criteria."""

    exit_code = 3


class GateClosedError(AtftError):
    """A stage was asked for whose gate is closed."""

    exit_code = 4


def from_exit_code(code: int) -> type[AtftError]:
    """The kind of error behind an exit code, for errors that crossed a process boundary."""
    kinds: dict[int, type[AtftError]] = {2: UsageError, 3: CriteriaNotMetError, 4: GateClosedError}
    return kinds.get(code, AtftError)
