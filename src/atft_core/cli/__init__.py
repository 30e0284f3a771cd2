"""The command `atft`: every key of the console, without a screen."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from atft_core import __version__
from atft_core.errors import AtftError

INTERRUPTED = 130


def main() -> None:
    """Run a command; an expected error is a few lines on standard error and an exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"atft {__version__}")
        return
    from atft_core.cli.output import say

    _prepare_streams()
    try:
        try:
            _run(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except AtftError as error:
        say(f"atft: {error}", to=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `atft status | head`
        _silence()
        sys.exit(1)
    except OSError as error:  # a place that nobody thought of; what the system says is the best
        where = f"{error.filename}: " if error.filename else ""
        say(f"atft: {where}{error.strerror or error}", to=sys.stderr)
        _silence()
        sys.exit(1)


def _prepare_streams() -> None:
    """One that was closed (`>&-`) takes what is said; a terminal that is not UTF-8 gets escapes."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(words: Sequence[str]) -> None:
    """The command in `words`.

    What programs ask again and again is understood without the parser, which takes as long to start
    as the answer.
    """
    match words:
        case ["status", directory, "--json"] if not directory.startswith("-"):
            from atft_core.cli.status import show_status

            show_status([Path(directory)], every=False, verdicts=False, as_json=True)
        case _:
            from atft_core.cli.app import app

            app(words, prog_name="atft")


def _silence() -> None:
    """What is still in the buffer cannot be written: the interpreter must not try once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
