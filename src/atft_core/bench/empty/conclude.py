"""No conclusion over trials that measured nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from atft_core.run.directory import RunDirectory
from atft_core.run.files import write_json

if __name__ == "__main__":
    write_json(RunDirectory(Path(sys.argv[1])).conclusion, {"error": "nothing was measured"})
