"""A preflight that checks nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from atft_core.run.directory import RunDirectory
from atft_core.run.files import write_json

if __name__ == "__main__":
    run = RunDirectory(Path(sys.argv[1]))
    nothing = {"name": "nothing", "ok": True, "detail": "there is nothing to check"}
    write_json(run.preflight, {"checks": [nothing], "estimate": {}, "baselines": {}})
