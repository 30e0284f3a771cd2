"""A thousand trials that compute nothing, several at once: the engine and a bare Optuna loop.

    python benchmarks/scale.py --out benchmarks/results/scale.json
    python benchmarks/scale.py --ray 127.0.0.1:6379 --trials 200 --out benchmarks/results/ray.json

Both start the same worker program once for each trial, with the same kind of study; the loop has as
many threads as the engine has slots. In turns on one machine; the ratio is what counts. With --ray
it is the engine with that cluster (`atft cluster up`) beside the engine without.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from atft_core.bench.machine import machine
from atft_core.bench.supervision import by_engine, compared
from atft_core.data.synthetic import write_panel


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--ray", metavar="HOST:PORT", default="")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="atft-scale-") as scratch:
        panel = Path(scratch) / "panel.parquet"
        write_panel(panel, stocks=20, days=200)
        if given.ray:
            found = {"ray": by_executor(Path(scratch), panel, given)}
        else:
            found = {"local": compared(
                Path(scratch), panel, given.trials, pairs=given.pairs, slots=given.slots,
                say=lambda text: print(text, file=sys.stderr),
            )}  # fmt: skip
    text = json.dumps({"machine": machine(), **found}, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def by_executor(scratch: Path, panel: Path, given: argparse.Namespace) -> dict[str, float]:
    """Trials a second on this machine and on a cluster, of the same engine with as many slots."""
    place = {"engine.executor": "ray", "ray.address": given.ray}
    took = []
    for n in range(given.pairs):
        took.append([
            by_engine(scratch / f"{name}{n}", panel, given.trials,
                      **{"engine.slots": given.slots, **values})
            for name, values in (("local", {}), ("ray", place))
        ])  # fmt: skip
    local, ray = sorted(took, key=lambda pair: pair[0] / pair[1])[given.pairs // 2]
    return {
        "trials": given.trials,
        "slots": given.slots,
        "local_trials_per_s": round((given.trials - 1) / local, 3),
        "ray_trials_per_s": round((given.trials - 1) / ray, 3),
        "ratio": round(local / ray, 3),
    }


if __name__ == "__main__":
    main()
