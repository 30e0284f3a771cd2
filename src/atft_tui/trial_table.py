"""The trial table as data: its columns, its order, and expressions that choose trials."""

from __future__ import annotations

import math
import operator
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from atft_core.run.foreign import clean
from atft_core.run.judge.criteria import TWO_SIDED_90
from atft_core.run.notes import NO_NOTES, Notes
from atft_core.run.state import State, Trial
from atft_core.run.wording import finite, fixed, ratio, trial_word
from atft_tui.format import GLYPHS, cut, figure, pad

_ORDER = ("RUNNING", "WAITING", "ASKED", "COMPLETE", "PRUNED", "FAIL")
_SHORT = {
    "learning_rate": "lr", "hidden": "hidden", "block_days": "days", "dropout": "drop",
    "sparsity": "sparse",
    "rank_ic": "w.rank", "cs_ic": "w.cs", "sharpe": "w.shrp", "spearman": "w.spear",
    "huber": "w.hub", "weight_decay": "decay", "lookback": "back",
}  # fmt: skip
STATES = {
    "COMPLETE": "PASS", "PRUNED": "LOCKED", "FAIL": "FAIL", "RUNNING": "RUNNING",
    "WAITING": "PENDING", "ASKED": "PENDING",
}  # fmt: skip
"""Glyph of each state."""
_ALSO = {
    "COMPLETE": ("completed", "finished"), "RUNNING": ("running",),
    "WAITING": ("waiting",),
}  # fmt: skip
"""What people type for a state beside its word and its name."""
_RANK_IC = "mean over validation days of Spearman's correlation, score and return in {} d"
_OURS = ("ic", "ic_se", "t", "sign")
"""Columns that only our model fills."""
_OTHERS = 12
"""Metrics of other programs that have a column."""
Value = float | str | None


@dataclass(frozen=True)
class Column:
    """A right-aligned column."""

    name: str
    """As filters and the list of columns call it."""
    head: str
    width: int
    cell: Callable[[Trial], str]
    value: Callable[[Trial], Value]
    """What is sorted and compared by."""
    says: str = ""
    """What it is, for who asks."""
    spellings: Callable[[Trial], Sequence[str]] | None = None
    """In small letters, what a filter may call the value; None: as it is said."""


@dataclass(frozen=True)
class Choice:
    """What a person wants to see of the table."""

    order: str = ""
    """Name of the column; empty: running trials, then the best."""
    ascending: bool = False
    hidden: frozenset[str] = frozenset()
    filter: TrialFilter | None = None


USUAL = Choice()
_NOTE = 16
"""Cells of a note in the table; the trial's own screen has all of it."""


# Columns.


def columns(state: State, notes: Notes = NO_NOTES) -> list[Column]:
    """All there are: the indispensable first, what people wrote, the parameters that differ."""
    known = _fixed(state)
    after = next(i for i, column in enumerate(known) if column.name == "value") + 1
    return [*known[:after], *_written(notes), *known[after:], *_params(state)]


def _written(notes: Notes) -> list[Column]:
    """Tags and notes, where a trial has some."""
    if not any(note.line for note in notes.trials.values()):
        return []

    def line(trial: Trial) -> str:
        return clean(notes.of(trial.number).line)

    head = pad("note", _NOTE)
    says = "tags, and what somebody wrote"
    return [
        Column("note", head, _NOTE, lambda t: pad(line(t), _NOTE), lambda t: line(t) or None, says)
    ]


def _fixed(state: State) -> list[Column]:
    h = state.horizon
    floor = noise_bound(state)
    digits = max(3, *(len(str(number)) for number in state.trials), 0)

    def metric(
        key: str, head: str, says: str, *, name: str = "", width: int = 6, places: int = -1
    ) -> Column:
        def cell(trial: Trial) -> str:
            value = trial.last(key, h)
            return ratio(value) if places < 0 else fixed(value, places)

        return Column(name or key, head, width, cell, lambda trial: trial.last(key, h), says)

    def seconds(trial: Trial) -> float | None:
        return trial.epochs[-1].seconds if trial.epochs else None

    own = state.judged_by
    head = "RankIC" if own == "rank_ic" else clean(own, 6)
    known = [
        Column("number", "#", digits, lambda t: str(t.number), lambda t: t.number, "trial"),
        Column("state", "state", 9, state_word, state_word, "how far it is, or how it ended",
               _spellings),
        Column("epochs", "ep", 5, lambda t: _epochs(t, state.max_epochs), lambda t: len(t.epochs),
               "epochs that have ended, of those planned"),
        metric(own, head, _RANK_IC.format(h) if own == "rank_ic" else f"validation {own}"),
        metric(f"{own}_se", "+-", "its standard error (neighbouring days correlate)", width=5),
        Column("near", "~", 1, lambda t: "~" if near_best(t, state, floor) else "",
               lambda t: "yes" if near_best(t, state, floor) else "no",
               "the best trial's own error cannot tell it from the best"),
        Column("seconds", "s/ep", 6, lambda t: fixed(seconds(t), 1), seconds,
               "seconds of the newest epoch, validation included"),
        metric("ic", "IC", "the mean over validation days of Pearson's correlation"),
        metric("ic_se", "+-", "its standard error", width=5),
        Column("value", "value", 6, lambda t: ratio(state.measured(t.value)),
               lambda t: state.measured(t.value),
               f"what the search was told: median {head} of the last epochs"),
        metric("rank_ic_t", "t", "RankIC in its standard error", name="t", width=5, places=1),
        metric("sign_ratio", "sign", "mean over deviation of sign(score) x return",
               name="sign"),
    ]  # fmt: skip
    if own == "rank_ic":
        return known
    # Of a program of the user's own: what it tells instead of what our model tells.
    told = {name for t in state.trials.values() for name in _newest(t, h)} - {own, f"{own}_se"}
    others = [metric(name, clean(name, 6), f"validation {name}") for name in sorted(told)]
    head_and_error = [column for column in known if column.name in (own, f"{own}_se")][:2]
    kept = [c for c in known if c.name not in _OURS or c in head_and_error]
    return kept + others[:_OTHERS]


def _newest(trial: Trial, horizon: int) -> dict[str, object]:
    return trial.epochs[-1].val.get(str(horizon), {}) if trial.epochs else {}


def state_word(trial: Trial) -> str:
    """A state as a person says it."""
    return trial_word(trial.state)


def state_glyph(trial: Trial) -> tuple[str, str]:
    """What stands before that word, and its colour."""
    return GLYPHS[STATES.get(trial.state, "UNKNOWN")]


def _spellings(trial: Trial) -> Sequence[str]:
    """A state's word, its name in files, and what else people type."""
    return state_word(trial), trial.state.lower(), *_ALSO.get(trial.state, ())


def noise_bound(state: State) -> float | None:
    """The figure above which a trial cannot be told from the best one by its own error.

    Trials are scored on the same days, so their difference is steadier than each of them: this
    calls too many equal, never too few.
    """
    best = None if state.walks else state.best
    value = state.figure(best) if best else None
    error = best.last(f"{state.judged_by}_se", state.horizon) if best else None
    return None if value is None or error is None else value - TWO_SIDED_90 * error


def near_best(trial: Trial, state: State, bound: float | None) -> bool:
    """Whether a finished trial lies within the noise of the best one."""
    value = state.figure(trial)
    return trial.state == "COMPLETE" and None not in (value, bound) and (value or 0) >= (bound or 0)


def _epochs(trial: Trial, planned: int) -> str:
    done = str(len(trial.epochs))
    of_all = f"{done}/{planned}"
    return of_all if trial.running and len(of_all) <= 5 else done


def _params(state: State) -> list[Column]:
    """What differs between the trials first: that is what the study is about."""
    names = {name for trial in state.trials.values() for name in trial.params}
    known = list(_SHORT)

    def place(name: str) -> tuple[bool, int, str]:
        alike = len({str(trial.params.get(name)) for trial in state.trials.values()}) == 1
        last = name.rpartition(".")[2]
        return alike, known.index(last) if last in known else len(known), name

    return [_param(name) for name in sorted(names, key=place)]


def _param(name: str) -> Column:
    last = name.rpartition(".")[2]
    head = clean(_SHORT.get(last, last), 7)

    def cell(trial: Trial) -> str:
        value = trial.params.get(name)
        return cut(f"{value:.2g}" if isinstance(value, float) else figure(value), 7)

    def value(trial: Trial) -> Value:
        found = trial.params.get(name)
        number = finite(found)
        return number if number is not None or found is None else str(found)

    return Column(name, head, 7, cell, value, "a parameter of the search")


# Order.


def in_order(
    state: State, choice: Choice = USUAL, shown: Sequence[Column] | None = None
) -> list[Trial]:
    """The trials that the filter keeps, in the chosen order; unknown values last."""
    known = columns(state) if shown is None else shown
    trials = list(state.trials.values())
    if choice.filter is not None:
        trials = [trial for trial in trials if choice.filter.keeps(trial, known)]
    column = next((c for c in known if c.name == choice.order), None)
    if column is None:
        return sorted(trials, key=_usual_place)
    texts = any(isinstance(column.value(trial), str) for trial in trials)

    def place(trial: Trial) -> tuple[bool, float | str]:
        value = column.value(trial)
        blank: float | str = "" if texts else 0.0
        return value is not None, blank if value is None else str(value) if texts else value

    ordered = sorted(trials, key=place, reverse=not choice.ascending)
    if choice.ascending:
        ordered.sort(key=lambda trial: column.value(trial) is None)
    return ordered


def _usual_place(trial: Trial) -> tuple[int, float, int]:
    """Running trials first, then complete ones by value, then what was given up."""
    rank = _ORDER.index(trial.state) if trial.state in _ORDER else 0
    value = -(trial.value or 0.0) if trial.state == "COMPLETE" else 0.0
    return rank, value, trial.number


def next_order(choice: Choice, names: Sequence[str], step: int) -> Choice:
    """The choice with the next column as its order; after the last one the usual order."""
    cycle = ["", *names]
    at = cycle.index(choice.order) if choice.order in cycle else 0
    return replace(choice, order=cycle[(at + step) % len(cycle)])


# Filters: `state:done rank_ic>.03 lr<1e-3 -pruned`.

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    "=": operator.eq,
}  # fmt: skip
_TERM = re.compile(r"([\w.#/]+)(>=|<=|!=|>|<|=|:)(.+)")
HOW = "words and comparisons: done  rank_ic>.03  lr<1e-3  -model.hidden=32"


@dataclass(frozen=True)
class Term:
    """One condition."""

    column: str
    """As typed; empty: any text of the trial."""
    sign: str
    wanted: str
    inverse: bool


@dataclass(frozen=True)
class TrialFilter:
    """Conditions that must all hold."""

    text: str
    terms: tuple[Term, ...]

    def keeps(self, trial: Trial, known: Sequence[Column]) -> bool:
        """Whether the trial is shown."""
        return all(_holds(term, trial, known) is not term.inverse for term in self.terms)


def parse(text: str, known: Sequence[Column]) -> TrialFilter | None:
    """The filter that was typed, None for an empty one; ValueError says what is wrong with it."""
    terms = []
    for word in shlex.split(text):
        inverse = word[:1] in ("-", "!") and len(word) > 1
        found = _TERM.fullmatch(word[inverse:])
        if found is None:
            terms.append(Term("", ":", word[inverse:].lower(), inverse))
            continue
        name, sign, wanted = found.groups()
        column = named(name, known)
        if sign in (">", "<", ">=", "<=") and _number(wanted) is None:
            raise ValueError(f"{wanted!r} is no number")
        terms.append(Term(column.name, sign, wanted.lower(), inverse))
    return TrialFilter(text.strip(), tuple(terms)) if terms else None


def named(name: str, known: Sequence[Column]) -> Column:
    """The column that a person means: by its name, its head or the end of its name."""
    wanted = name.lower()
    for alike in (
        lambda c: wanted in (c.name.lower(), c.head.strip().lower()),
        lambda c: c.name.lower().endswith(f".{wanted}"),
    ):
        found = [column for column in known if alike(column)]
        if found:
            return found[0]
    raise ValueError(f"no column {clean(name, 30)}")


def _holds(term: Term, trial: Trial, known: Sequence[Column]) -> bool:
    if not term.column:
        own = (str(trial.number), *_spellings(trial), trial.reason)
        texts = (*own, *map(str, trial.params.values()))
        return any(term.wanted in text.lower() for text in texts)
    column = next((c for c in known if c.name == term.column), None)
    value = column.value(trial) if column else None
    if column is None or value is None:
        return False
    wanted = _number(term.wanted)
    if term.sign == ":" or wanted is None or isinstance(value, str):
        said = column.spellings(trial) if column.spellings else (_spoken(value),)
        if term.sign in ("=", "!="):
            return (term.wanted in said) is (term.sign == "=")
        return any(term.wanted in each for each in said)
    if term.sign in ("=", "!="):
        return math.isclose(value, wanted, rel_tol=1e-6) is (term.sign == "=")
    return _OPERATORS[term.sign](value, wanted)


def _spoken(value: float | str) -> str:
    return value.lower() if isinstance(value, str) else f"{value:g}"


def _number(text: str) -> float | None:
    try:
        return finite(float(text))
    except ValueError:
        return None
