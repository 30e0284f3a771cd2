"""The engine with programs that compute nothing."""

from __future__ import annotations

import sys

from atft_core.engine.__main__ import main
from atft_core.engine.programs import Programs

EMPTY = Programs(*(f"{__package__}.{name}" for name in ("worker", "preflight", "conclude")))

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], EMPTY))
