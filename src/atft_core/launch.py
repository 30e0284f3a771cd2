"""Start an engine that outlives this process, or a command beside it. Standard library only.

The engine is a fresh interpreter in a session of its own: neither the end of the terminal nor of
the process that started it reaches it. It answers once, by one line on its standard output, with
its run directory or with the reason why there will be none; after that it writes only into the run
directory.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from atft_core.errors import AtftError, EngineError, from_exit_code


def program(module: str, *words: object) -> list[str]:
    """The argument vector of a module, run by this interpreter.

    Its imports never come from the directory that somebody works in (-P): a random.py there is
    not the one that Optuna wants.
    """
    return [sys.executable, "-P", "-m", module, *map(str, words)]


def cli(*args: str) -> list[str]:
    """The argument vector of an `atft` command."""
    return program("atft_core", *args)


def shown(*args: str) -> str:
    """The same command as a person would type it."""
    return shlex.join(["atft", *args])


def start_engine(spec: Mapping[str, Any]) -> Path:
    """A new run; the run directory that the engine made. Raises the engine's refusal."""
    return _launch(["start"], json.dumps(spec).encode())


def resume_engine(run_dir: Path) -> Path:
    """The engine of a run that stopped or died."""
    return _launch(["resume", str(run_dir)], b"")


@contextmanager
def watching(place: str, study: str) -> Iterator[Path]:
    """An Optuna study as a run directory that follows it, until the end of this block.

    Raises what `atft_core.engine.mirror` refuses with. What is asked stands on no command line: it
    may hold a password.
    """
    given = (json.dumps({"place": place, "study": study}) + "\n").encode()
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            program("atft_core.engine.mirror"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=complaints, start_new_session=True,
        )  # fmt: skip
        try:
            line = _exchange(process, given, keep=True)
            if not line:
                complaints.seek(0)
                raise _died(process.wait(), complaints.read().decode(errors="replace"))
            yield _run_dir(process, line)
        finally:
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            process.wait()


def _launch(args: list[str], given: bytes) -> Path:
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            program("atft_core.engine", *args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
        try:
            line = _exchange(process, given)
        except KeyboardInterrupt:  # the engine has a session of its own and would go on unseen
            process.terminate()
            process.wait()
            raise
        if not line:
            complaints.seek(0)
            raise _died(process.wait(), complaints.read().decode(errors="replace"))
    return _run_dir(process, line)


def _run_dir(process: subprocess.Popen[bytes], line: bytes) -> Path:
    answer = json.loads(line)
    if "error" in answer:
        process.wait()
        raise refusal(answer)
    return Path(answer["run_dir"])


def _exchange(process: subprocess.Popen[bytes], given: bytes, *, keep: bool = False) -> bytes:
    """Hand over the specification and wait for the one line of answer.

    `keep`: more may follow, or its end, by which the process knows that it is not needed any more.
    """
    if process.stdin is None or process.stdout is None:
        raise EngineError("the engine was started without pipes")
    with process.stdout:
        try:
            process.stdin.write(given)
            process.stdin.flush()
            if not keep:
                process.stdin.close()
        except BrokenPipeError:
            return b""  # it died before reading: its complaint is on standard error
        return process.stdout.readline()


def answer(**fields: Any) -> None:
    """The engine's side of the exchange; whoever asked may be gone, the run goes on."""
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def answer_refusal(error: AtftError) -> None:
    """Say why there will be no run."""
    answer(error=error.message, hint=error.hint, exit_code=error.exit_code)


def refusal(reply: Mapping[str, Any]) -> AtftError:
    """The error that the engine answered with."""
    kind = from_exit_code(int(reply["exit_code"]))
    return kind(str(reply["error"]), hint=str(reply["hint"]))


def _died(code: int, complaint: str) -> EngineError:
    last = complaint.strip().splitlines()[-3:]
    return EngineError(
        f"The engine ended before it answered (exit code {code}).\n" + "\n".join(last),
        hint="`atft doctor` checks this installation.",
    )
