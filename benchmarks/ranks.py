"""One trial on several devices beside one on one: seconds of an epoch, and whether it is the same.

    python benchmarks/ranks.py --out benchmarks/results/ranks.json
    python benchmarks/ranks.py --devices 4 --data-path panel.parquet    # on a machine with GPUs

Without a GPU the ranks are processes that share the machine's cores, so nothing can be gained; what
the division costs is what shows. Dropout and noise are off: their draws differ between ranks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atft_core.bench.machine import machine
from atft_core.data.synthetic import write_panel

STILL = ("model.dropout=0", "model.graph_dropout=0", "model.market_noise=0", "search={}",
         "objective.lightgbm=off")  # fmt: skip


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--data-path", type=Path)
    parser.add_argument("--stocks", type=int, default=1000)
    parser.add_argument("--days", type=int, default=700)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="atft-ranks-") as scratch:
        panel = given.data_path or Path(scratch) / "panel.parquet"
        if given.data_path is None:
            write_panel(panel, stocks=given.stocks, days=given.days)
        one, several = (
            epochs_of(Path(scratch) / f"of{devices}", panel, given.epochs, devices)
            for devices in (1, given.devices)
        )
    seconds = [statistics.median(row["seconds"] for row in rows[1:]) for rows in (one, several)]
    found = {
        "machine": machine(),
        "panel": str(given.data_path or f"{given.stocks} stocks x {given.days} days"),
        "devices": given.devices,
        "epoch_seconds": [round(each, 2) for each in seconds],
        "ratio": round(seconds[0] / seconds[1], 3),
        "rank_ic": [[row["val"]["1"]["rank_ic"] for row in rows] for rows in (one, several)],
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def epochs_of(output: Path, panel: Path, epochs: int, devices: int) -> list[dict[str, Any]]:
    """The epochs of a run of one trial."""
    sets = [word for value in (*STILL, f"train.devices_per_trial={devices}")
            for word in ("--set", value)]  # fmt: skip
    command = [sys.executable, "-m", "atft_core", "hpo", "--data-path", panel, "--n-trials", "1",
               "--max-epochs", epochs, "--output-dir", output, *sets]  # fmt: skip
    subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)
    rows: list[dict[str, Any]] = json.loads((output / "trial_0/metrics.json").read_text())["epochs"]
    return rows


if __name__ == "__main__":
    main()
