"""Which parameters a sweep's value hangs on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna

from atft_core.config.schema import Config
from atft_core.engine.space import distributions
from atft_core.run.state import Trial

FEWEST = 8
"""Complete trials; of fewer the best tenth, by which it is measured, is one."""


def importance(config: Config, complete: Sequence[Trial]) -> dict[str, float]:
    """The share of each parameter, by PED-ANOVA: how differently the best trials are distributed
    over its range than all (Watanabe et al., IJCAI 2023).

    Empty where too few trials are complete, or only one parameter was searched.
    """
    space = distributions(config)
    own = [trial for trial in complete if set(trial.params) == set(space)]
    if len(own) < FEWEST or len(space) < 2:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(params=t.params, distributions=space, value=t.value)
            for t in own
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(
            target_quantile=max(0.1, 2.0 / len(own))
        )
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
