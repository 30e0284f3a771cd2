"""Decision rules: when to give up a trial, or a sweep, before all of it has run.

A rule looks at the log of the run, decides once, and leaves its reason with the numbers. Rules of a
stage stand in its runbook; they advise, or act when `acts` is set. A new one is a function and a
line in RULES.

The plan's documents contradict each other; resolved here:
- after the first part of a trial one text goes on when *any* sign is good, one stops when *all* are
  bad, a third stops unless two are good: the first two agree, the third would stop trials on
  differences far below their error, and is left out;
- after two thirds one text stops below .015, a drawing below .020: the text holds;
- what counted epochs of training phases counts shares of the epochs, so that it holds for runs in
  one phase, too.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from atft_core.run.epochs import EpochRow
from atft_core.run.events import Decision, Json
from atft_core.run.foreign import clean
from atft_core.run.judge.measure_model import MIN_DAYS, ONE_SIDED_90, luck, tried
from atft_core.run.stages import RuleSpec
from atft_core.run.state import ENDED, State, Trial
from atft_core.run.wording import duration, several

SETTLING_EPOCHS = 1
"""First epochs that do not count for whether a trial rises: the weights come from nowhere."""


@dataclass(frozen=True)
class Kind:
    """What a rule is about, and how it decides; None while there is too little to decide on."""

    about: Literal["trial", "sweep"]
    decide: Callable[[State, RuleSpec, Trial | None], Decision | None]
    bar: float | None
    """Usual bar; None for a rule without one."""


def decisions_on_trial(state: State, rules: tuple[RuleSpec, ...], number: int) -> list[Decision]:
    """What the rules newly decide about a running trial, after an epoch of it."""
    return list(_decide(state, rules, "trial", state.trial(number)))


def decisions_on_sweep(state: State, rules: tuple[RuleSpec, ...]) -> list[Decision]:
    """What the rules newly decide about the run, after a trial of it."""
    return list(_decide(state, rules, "sweep", None))


def stopped_by(state: State, number: int | None) -> str:
    """What a rule that acts said when it stopped the trial (None: the sweep); '' when none did."""
    about = [past for _, past in state.decisions if past.trial == number]
    return next((past.said for past in about if past.acts and past.verdict == "stop"), "")


def _decide(
    state: State, rules: tuple[RuleSpec, ...], about: str, trial: Trial | None
) -> Iterator[Decision]:
    number = None if trial is None else trial.number
    if trial is None and len(_over(state)) >= state.n_trials:
        return  # nothing is left to save
    for rule in rules:
        kind = RULES.get(rule.name)
        known = [past.verdict for _, past in state.decisions
                 if (past.rule, past.trial) == (rule.name, number)]  # fmt: skip
        if kind is None or kind.about != about or "stop" in known:
            continue
        decision = kind.decide(state, rule, trial)
        # A trial is judged once; a sweep after every trial, but said to go on once.
        if decision is not None and (not known or (trial is None and decision.verdict == "stop")):
            yield decision


def early_signs(state: State, rule: RuleSpec, trial: Trial | None) -> Decision | None:
    """After a share of the epochs: stop when RankIC is low, does not rise, and IC is below 0."""
    rows = _rows_at(state, rule, trial)
    if trial is None or rows is None:
        return None
    rank_ic, ic = _figure(state, rows[-1]), rows[-1].metric("ic", state.horizon)
    series = [_figure(state, row) for row in rows[SETTLING_EPOCHS:]]
    rises = _slope([value for value in series if value is not None]) > 0
    if state.judged_by != "rank_ic":  # a program of the user's own tells no IC beside it
        ic = rank_ic
    if rank_ic is None or ic is None:
        return _stop(state, rule, trial, f"{_word(state)} is undefined", {"epoch": rows[-1].epoch})
    evidence: Json = {"epoch": rows[-1].epoch, "rank_ic": rank_ic, "ic": ic, "rises": rises,
                      "rank_ic_se": _error(state, rows[-1])}  # fmt: skip
    good = [text for text, holds in (
        (f"{_word(state)} {rank_ic:.4f} reaches {rule.bar:g}", rank_ic >= rule.bar),
        (f"{_word(state)} rises", rises),
        (f"IC {ic:.4f} is not below 0", ic >= 0),
    ) if holds]  # fmt: skip
    if not good:
        said = f"{_word(state)} {rank_ic:.4f} is below {rule.bar:g} and does not rise, IC {ic:.4f}"
        return _stop(state, rule, trial, said, evidence)
    said = ", ".join(good)
    return _go_on(rule, trial, said, evidence)


def second_look(state: State, rule: RuleSpec, trial: Trial | None) -> Decision | None:
    """After most of the epochs: stop when the RankIC is below the bar even with its error."""
    rows = _rows_at(state, rule, trial)
    if trial is None or rows is None:
        return None
    rank_ic, error = _figure(state, rows[-1]), _error(state, rows[-1])
    evidence: Json = {"epoch": rows[-1].epoch, "rank_ic": rank_ic, "rank_ic_se": error}
    if rank_ic is None:
        return _stop(state, rule, trial, f"{_word(state)} is undefined", evidence)
    if error is None:
        return None
    upper = rank_ic + ONE_SIDED_90 * error
    said = f"{_word(state)} {rank_ic:.4f} +- {error:.4f}, at best {upper:.4f}, against {rule.bar:g}"
    if upper < rule.bar:
        return _stop(state, rule, trial, said, evidence)
    return _go_on(rule, trial, said, evidence)


def sweep_hopeless(state: State, rule: RuleSpec, _: Trial | None) -> Decision | None:
    """After a share of the trials: stop when even the best, with its error, is below the bar."""
    found = _best(state, rule)
    if found is None:
        return None
    best, rank_ic, error, evidence = found
    upper = rank_ic + ONE_SIDED_90 * error
    said = f"the best, trial {best.number}, is at most {upper:.4f}, against {rule.bar:g}"
    if upper < rule.bar:
        return _stop(state, rule, None, said, evidence)
    return _go_on(rule, None, said, evidence)


def sweep_reached(state: State, rule: RuleSpec, _: Trial | None) -> Decision | None:
    """After a share of the trials: stop when the best is above the bar and above luck for sure."""
    found = _best(state, rule)
    if found is None:
        return None
    best, rank_ic, error, evidence = found
    lower, chance = rank_ic - ONE_SIDED_90 * error, luck(state, error)
    said = f"the best, trial {best.number}, is at least {lower:.4f}, against {rule.bar:g}"
    if lower >= rule.bar and lower > chance:
        return _stop(state, rule, None, f"{said}: what was hoped for is there", evidence)
    return _go_on(rule, None, said, evidence | {"luck": chance})


def sweep_stalled(state: State, rule: RuleSpec, _: Trial | None) -> Decision | None:
    """Stop when as many trials as this share of the sweep in a row have brought nothing new."""
    best, patience = state.best, max(2, round(rule.after * state.n_trials))
    if best is None or best.value is None or len(_over(state)) <= patience:
        return None
    since = sum(trial.number > best.number for trial in _over(state))
    evidence: Json = {"best": best.number, "value": best.value, "since": since}
    value = state.measured(best.value)
    said = f"{several(since, 'trial')} after trial {best.number} ({value:.4f}) were no better"
    if since >= patience:
        return _stop(state, rule, None, said, evidence)
    return _go_on(rule, None, said, evidence)


RULES: dict[str, Kind] = {
    "early_signs": Kind("trial", early_signs, 0.01),
    "second_look": Kind("trial", second_look, 0.015),
    "sweep_hopeless": Kind("sweep", sweep_hopeless, 0.015),
    "sweep_reached": Kind("sweep", sweep_reached, 0.04),
    "sweep_stalled": Kind("sweep", sweep_stalled, None),
}


def _rows_at(state: State, rule: RuleSpec, trial: Trial | None) -> list[EpochRow] | None:
    """The epochs of a trial up to the one after which the rule decides; None before that."""
    due = max(2, round(rule.after * state.max_epochs))
    rows = [] if trial is None else sorted(trial.epochs, key=lambda row: row.epoch)[:due]
    return rows if len(rows) == due < state.max_epochs else None


def _best(state: State, rule: RuleSpec) -> tuple[Trial, float, float, Json] | None:
    """The best trial so far, its RankIC with error, and both as evidence; None while too early.

    A pruned trial counts, too: a sweep of which all is pruned has no other.
    """
    due, over = max(1, round(rule.after * state.n_trials)), len(_over(state))
    last = {
        trial.number: (trial, max(trial.epochs, key=lambda row: row.epoch))
        for trial in tried(state)
    }
    known = [
        (rank_ic, error, trial) for trial, row in last.values()
        if (rank_ic := _figure(state, row)) is not None
        and (error := _error(state, row)) is not None
    ]  # fmt: skip
    if over < due or not known:
        return None
    rank_ic, error, best = max(known, key=lambda found: found[0])
    evidence: Json = {
        "trials": over, "best": best.number, "rank_ic": rank_ic, "rank_ic_se": error,
    }  # fmt: skip
    return best, rank_ic, error, evidence


def _over(state: State) -> list[Trial]:
    """Trials that have ended, in whatever way."""
    return [trial for trial in state.trials.values() if trial.state in ENDED]


def _word(state: State) -> str:
    return "RankIC" if state.judged_by == "rank_ic" else clean(state.objective, 40)


def _figure(state: State, row: EpochRow) -> float | None:
    """What the study maximises."""
    return row.objective(state.objective, state.horizon)


def _error(state: State, row: EpochRow) -> float | None:
    """Its standard error; None when it rests on too few days to be one."""
    days = row.metric("days", state.horizon)
    if days is None and state.judged_by != "rank_ic":  # a program need not tell them
        days = MIN_DAYS
    return row.metric(f"{state.judged_by}_se", state.horizon) if (days or 0) >= MIN_DAYS else None


def _go_on(rule: RuleSpec, trial: Trial | None, reason: str, evidence: Json) -> Decision:
    about, number = _about(trial)
    return Decision(rule=rule.name, verdict="go on", trial=number, reason=reason,
                    evidence=evidence, acts=rule.acts,
                    said=f"{about}: go on, {reason}")  # fmt: skip


def _stop(
    state: State, rule: RuleSpec, trial: Trial | None, reason: str, evidence: Json
) -> Decision:
    about, number = _about(trial)
    hours = _hours_left(state, trial)
    saved = duration(3600 * hours)
    advice = "" if rule.acts else " (advice)"
    return Decision(rule=rule.name, verdict="stop", trial=number, reason=reason,
                    evidence=evidence, acts=rule.acts, saves_hours=hours,
                    said=f"{about}: stop{advice}, {reason}; this saves about {saved}")  # fmt: skip


def _about(trial: Trial | None) -> tuple[str, int | None]:
    return ("sweep", None) if trial is None else (f"trial {trial.number}", trial.number)


def _hours_left(state: State, trial: Trial | None) -> float:
    """What the rest of the trial, or of the sweep, takes at the pace so far."""
    seconds = [row.seconds for each in state.trials.values() for row in each.epochs]
    if not seconds:
        return 0.0
    epochs = state.max_epochs - len(trial.epochs) if trial is not None else (
        state.max_epochs * (state.n_trials - len(state.trials))
    )  # fmt: skip
    return max(0, epochs) * statistics.median(seconds) / 3600


def _slope(values: list[float]) -> float:
    """Of the least-squares line through equally spaced values; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    return statistics.linear_regression(range(len(values)), values).slope
