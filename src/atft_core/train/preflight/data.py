"""Is what the network learns from fair? Checks of labels, splits and features.

Shapes: D days, N stocks, F features, H horizons.
"""

from __future__ import annotations

import numpy as np
import torch

from atft_core.cross_section import centred_ranks
from atft_core.data.leaks import LEAK, leaks, panel_leaks, spaced_days
from atft_core.data.splits import folds_of
from atft_core.train.preflight.objective import loss_gradient
from atft_core.train.preflight.scene import Outcome, Scene


def splits_are_apart(scene: Scene) -> Outcome:
    """No label of a day ends in the next part, and no input begins before the panel."""
    config, days = scene.setup.config, len(scene.setup.panel.dates_T)
    splits = [scene.setup.split]
    if config.split.folds:
        splits = folds_of(config, scene.setup.panel.dates_T)
    reach = config.label.entry_lag + max(config.label.horizons)
    gaps = [
        (after.start - (before.stop - 1) - reach)
        for split in splits
        for before, after in ((split.train, split.val), (split.val, split.holdout))
    ]
    history = min(split.train.start for split in splits) - (config.model.lookback - 1)
    ok = min(gaps) > 0 and history >= 0 and max(s.holdout.stop for s in splits) <= days
    apart = f"{min(gaps[::2])} and {min(gaps[1::2])} days"
    return Outcome(ok, f"labels end {apart} before the next part")


def missing_labels_stay_missing(scene: Scene) -> Outcome:
    """A label that cannot be known is no 0: the panel has none, and the loss does not feel it."""
    panel, config, block = scene.setup.panel, scene.setup.config, scene.block
    if not config.data.targets:
        for h, horizon in enumerate(panel.horizons):
            reach = config.label.entry_lag + horizon
            told = int(np.isfinite(panel.y_TNH[-reach:, :, h]).sum())
            if told:
                note = f"{told} labels of horizon {horizon} end after the last day of the panel"
                return Outcome(False, note)
    known_BNH = torch.from_numpy(np.isfinite(panel.y_TNH[block.days.start : block.days.stop]))
    wrong = int((block.mask_BNH.cpu() != known_BNH).sum())
    if wrong:
        return Outcome(False, f"{wrong} labels of a block are known and masked, or neither")
    gradient_BNH = loss_gradient(scene, config.loss)
    pulled = int(gradient_BNH[~block.mask_BNH].count_nonzero())
    missing = int((~known_BNH).sum())
    return Outcome(not pulled, f"{missing} missing labels of a block, {pulled} of them pull")


def a_planted_leak_is_found(scene: Scene) -> Outcome:
    """Were a feature the label itself, the correlation would name it."""
    panel = scene.setup.panel
    x_DNF, y_DNH, valid_DN = spaced_days(panel, scene.setup.split.train)
    planted_DN1 = np.nan_to_num(centred_ranks(y_DNH[..., 0], valid_DN))[..., None]
    with_leak_DNF = np.concatenate([x_DNF, planted_DN1.astype(np.float32)], axis=2)
    found = leaks(with_leak_DNF, y_DNH, valid_DN, [*panel.features, "planted"], panel.horizons)
    named = [leak.feature for leak in found]
    return Outcome("planted" in named, f"named: {', '.join(named) or 'nothing'}")


def no_feature_is_the_label(scene: Scene) -> Outcome:
    """No feature's mean daily correlation with a label is beyond what prediction can reach."""
    found = panel_leaks(scene.setup.panel, scene.setup.split.train)
    if found:
        return Outcome(False, "; ".join(map(str, found)))
    return Outcome(True, f"all correlations with the label are within {LEAK}")
