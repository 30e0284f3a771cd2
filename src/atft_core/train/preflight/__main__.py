"""Entry point.

Writes preflight.json (checks, estimate, baselines) and baselines.arrow. Exit code 0 when they are
written, whether or not every check holds: what to make of a failed one is the engine's decision.
When the run cannot even be opened, preflight.json holds the error instead.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import torch

from atft_core.config.loss import OWN
from atft_core.config.schema import Config
from atft_core.data.panel import Panel
from atft_core.errors import AtftError
from atft_core.objective.metrics import DailyIC, summarise
from atft_core.run import plugins
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json
from atft_core.train.baselines import boosted_horizon, write_baselines
from atft_core.train.estimate import process_age, project
from atft_core.train.loop import middle_block
from atft_core.train.preflight.checks import run_checks
from atft_core.train.preflight.scene import Scene
from atft_core.train.report import log_to_stdout, reason
from atft_core.train.setup import configured_threads, feed_of, open_run

log = logging.getLogger("atft_core.train")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; the error's exit code when the run cannot be opened."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    log_to_stdout()
    run = RunDirectory(Path(arguments[0]))
    try:
        preflight(run)
    except AtftError as error:
        log.error("Preflight: %s", error)
        write_json(run.preflight, {"error": error.message})
        return error.exit_code
    except Exception as error:
        log.exception("Preflight cannot go on")
        write_json(run.preflight, {"error": reason(error)})
        return AtftError.exit_code
    return 0


def preflight(run: RunDirectory) -> Json:
    """Check, measure and project; returns what preflight.json then holds."""
    setup = open_run(run)
    torch.set_num_threads(configured_threads(setup.config))
    with closing(feed_of(setup)) as feed:
        estimate = project(setup, feed, startup=process_age())
        block = feed.block(middle_block(setup.split.train, setup.config.train.block_days))
        checks = run_checks(Scene(setup, feed, block, estimate["disk_bytes"], run.path))
    sound = all(check["ok"] for check in checks)  # else nobody waits for trees
    boosted = boosted_horizon(setup.config, setup.panel) if sound else None
    if boosted is not None:
        log.info("Preflight: LightGBM is fitted, too; objective.lightgbm=off leaves it out")
    daily = write_baselines(run, setup.config.split.fold, setup.panel, setup.split, boosted)
    found: Json = {
        "checks": checks,
        "estimate": estimate,
        "baselines": summaries(setup.panel, daily),
        "warnings": list(unused(setup.config, run.facts().get("identity", {}).get("plugins"))),
    }
    write_json(run.preflight, found)
    for check in checks:
        log.info("Preflight: %s: %s (%s)", "ok" if check["ok"] else "FAILED", check["name"],
                 check["detail"])  # fmt: skip
    return found


def unused(config: Config, sums: object) -> Iterator[str]:
    """What the run's plug-in files bring, and nobody asked for."""
    asked = {
        "TERMS": {name for name, weight in config.loss.own.items() if weight}
        | {key.removeprefix(f"loss.{OWN}") for key in config.search},
        "BLOCKS": set(config.model.own),
    }
    how = {
        "TERMS": "loss term {0} has no weight: `--set loss.own.{0}=0.1` gives it one",
        "BLOCKS": "part of the model {0} is not used: `--set 'model.own=[\"{0}\"]'` uses it",
    }
    for name, wanted in asked.items():
        of_files = plugins.table(name, sums).keys() - plugins.table(name, {}).keys()
        for key in sorted(of_files - wanted):
            yield f"The plug-in's {how[name].format(key)}."


def summaries(panel: Panel, daily: Mapping[str, DailyIC]) -> Json:
    """RankIC of each baseline by horizon, with its standard error."""
    keys = ("rank_ic", "rank_ic_se", "rank_ic_t", "days")
    found = {name: summarise(each, panel.horizons) for name, each in daily.items()}
    return {
        str(horizon): {
            name: {key: summary[str(horizon)][key] for key in keys}
            for name, summary in found.items()
            if summary[str(horizon)]["days"]
        }
        for horizon in panel.horizons
    }


if __name__ == "__main__":
    sys.exit(main())
