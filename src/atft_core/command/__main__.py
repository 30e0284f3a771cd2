"""The worker of such a trial. Why it failed is in the log already: the program's own words."""

from __future__ import annotations

import sys

from atft_core.command.trial import run_trial
from atft_core.errors import AtftError
from atft_core.train.report import log
from atft_core.train.worker import main


def _main() -> int:
    try:
        return main(compute=run_trial)
    except AtftError as error:
        log.error("The trial fails: %s", error)
        return 1


if __name__ == "__main__":
    sys.exit(_main())
