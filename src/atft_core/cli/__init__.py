"""The command `atft`: every key of the console, without a screen."""

from __future__ import annotations

import os
import sys

from atft_core import __version__
from atft_core.errors import AtftError

INTERRUPTED = 130


def main() -> None:
    """Run a command; an expected error is a few lines on standard error and an exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"atft {__version__}")
        return
    from atft_core.cli.app import app

    try:
        app(prog_name="atft")
    except AtftError as error:
        print(f"atft: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `atft status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a place that nobody thought of; what the system says is the best
        where = f"{error.filename}: " if error.filename else ""
        print(f"atft: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
