"""`python -m atft_core.train RUN_DIR --trial N --attempt K`: the worker of one trial."""

from __future__ import annotations

import sys

from atft_core.train.worker import main

if __name__ == "__main__":
    sys.exit(main())
