"""A thousand trials that compute nothing, several at once: the engine and a bare Optuna loop.

    python benchmarks/scale.py --out benchmarks/results/scale.json

Both start the same worker program once for each trial, with the same kind of study; the loop has as
many threads as the engine has slots. In turns on one machine; the ratio is what counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from atft_core.bench.machine import machine
from atft_core.bench.supervision import compared
from atft_core.data.synthetic import write_panel


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="atft-scale-") as scratch:
        panel = Path(scratch) / "panel.parquet"
        write_panel(panel, stocks=20, days=200)
        found = compared(Path(scratch), panel, given.trials, pairs=given.pairs, slots=given.slots,
                         say=lambda text: print(text, file=sys.stderr))  # fmt: skip
    text = json.dumps({"machine": machine(), "local": found}, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
