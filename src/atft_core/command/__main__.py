"""The worker of such a trial."""

from __future__ import annotations

import sys

from atft_core.command.trial import run_trial
from atft_core.train.worker import main

if __name__ == "__main__":
    sys.exit(main(compute=run_trial))
