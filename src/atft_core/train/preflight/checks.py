"""What must be true before a GPU hour is spent: one table of small functions.

The checks use what the trials use: the run's panel, feed, network, loss and metric code, on a few
days each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from atft_core.train.preflight import data, network, objective
from atft_core.train.preflight.scene import Outcome, Scene
from atft_core.train.report import log, reason


def the_disk_has_room(scene: Scene) -> Outcome:
    """What the sweep will write fits."""
    free = shutil.disk_usage(scene.path).free
    need = f"{scene.disk_bytes / 2**20:.0f} MiB needed, {free / 2**20:.0f} MiB free"
    return Outcome(free > scene.disk_bytes, need)


CHECKS: dict[str, Callable[[Scene], Outcome]] = {
    "loss terms pull the right way": objective.loss_terms_pull_the_right_way,
    "every loss term counts": objective.every_loss_term_counts,
    "metrics know good from bad": objective.metrics_know_good_from_bad,
    "scores do not change": network.scores_do_not_change,
    "stocks are told apart": network.stocks_are_told_apart,
    "the last day is seen": network.the_last_day_is_seen,
    "later days are not seen": network.later_days_are_not_seen,
    "days of a block do not mix": network.days_of_a_block_do_not_mix,
    "stocks do not mix without the graph": network.stocks_do_not_mix_without_the_graph,
    "searched parameters take effect": objective.searched_parameters_take_effect,
    "splits are apart": data.splits_are_apart,
    "missing labels stay missing": data.missing_labels_stay_missing,
    "a planted leak is found": data.a_planted_leak_is_found,
    "no feature is the label": data.no_feature_is_the_label,
    "the disk has room": the_disk_has_room,
}


def run_checks(scene: Scene) -> list[dict[str, Any]]:
    """All checks, in order; one that cannot be made has failed."""
    found = []
    for name, check in CHECKS.items():
        try:
            outcome = check(scene)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the night must hear of it
            log.info("The check %r cannot be made", name, exc_info=error)
            outcome = Outcome(False, reason(error))
        found.append({"name": name, "ok": outcome.ok, "detail": outcome.detail})
    return found
