"""What a report says, section by section: tables, drawings and sentences from the evidence."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from atft_core.objective.significance import MeanEstimate
from atft_core.report import figures
from atft_core.report.book import Book, book
from atft_core.report.evidence import Evidence
from atft_core.report.predictions import (
    bucket_returns,
    by_sector,
    by_year,
    calibration,
    estimated,
    rank_ic,
)
from atft_core.run.files import read_regular
from atft_core.run.judge.checklist import bar, margin, reason, value
from atft_core.run.judge.contrast import FOOTNOTE
from atft_core.run.state import State, Trial
from atft_core.run.wording import MISSING, duration, finite, fixed, several, trial_word

MOST_TRIALS = 200
"""In the table: the best ones."""


@dataclass(frozen=True)
class Table:
    """Rows under a head; cells are text."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """Columns of words, to the left; the others are numbers."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    name: str
    title: str
    says: Sequence[str] = ()
    """Paragraphs."""
    tables: Sequence[Table] = ()
    drawings: Sequence[str] = ()
    folded: Sequence[tuple[str, str]] = field(default=())
    """Long texts under their headings, to be opened."""

    def __bool__(self) -> bool:
        return bool(self.says or self.tables or self.drawings or self.folded)


def sections(found: Evidence, cost_bps: float) -> list[Section]:
    """All that have anything to say."""
    made = [
        _verdicts(found), _compared(found), _luck(found), *_signal(found), *_money(found, cost_bps),
        _trials(found), _epochs(found), _holdout(found), _settings(found),
    ]  # fmt: skip
    return [section for section in made if section]


def _verdicts(found: Evidence) -> Section:
    if found.stage is None:
        return Section("verdicts", "Verdicts", ["This run belongs to no stage: nobody said what "
                                                "it had to show."])  # fmt: skip
    gate = found.stage.gate
    rows = [
        (f"{result.verdict.value}", result.title, value(result), bar(result, gate), margin(result),
         "; ".join(filter(None, (result.note, reason(result), result.source))))
        for result in found.results
    ]  # fmt: skip
    head = ("verdict", "criterion", "value", "must be", "margin", "why, and where it was measured")
    says = [f"{found.stage.title}: {found.verdict}. Every value was measured in this run."]
    if found.state.doubt:
        says.append(f"It is no evidence for a gate: the run {found.state.doubt}.")
    if found.state.override:
        says.append(f"It was started although its gate was closed: {found.state.override}")
    return Section("verdicts", "Verdicts", says, [Table(head, rows, 2)])


def _compared(found: Evidence) -> Section:
    if found.contrast is None:
        return Section("compared", "")
    rows = []
    for line in found.contrast.lines:
        before, after, difference = line.said
        z = "" if line.z is None else f"{line.z:+.1f}"
        rows.append((line.title, before, after, difference, z, line.change))
    head = ("measure", "before", "after", "difference", "z", "which is")
    return Section("compared", "Before and after", [*found.contrast.caveats, f"{FOOTNOTE}."],
                   [Table(head, rows)])  # fmt: skip


def _luck(found: Evidence) -> Section:
    known = found.state.significance
    if not known:
        return Section("luck", "")
    figure = known.get("found", known)
    says = [str(known["said"])] if known.get("said") else []
    return Section("luck", "How much of it is luck", [*says, *_explained(figure)])


def _explained(figure: dict[str, object]) -> Iterator[str]:
    """The statistics of a sweep as a researcher would say them."""
    luck, ratio = finite(figure.get("rank_icir_by_luck")), finite(figure.get("rank_icir"))
    sure, trials = finite(figure.get("above_luck")), figure.get("trials")
    if None not in (luck, ratio, sure) and isinstance(trials, int) and trials > 1:
        yield (
            f"Deflated: {trials} trials were measured, so the best of them looks good even if none "
            f"is. The best of {trials} worthless ones would show a daily RankICIR of {luck:.3f}; "
            f"this one shows {ratio:.3f}, and is above that with probability {sure:.3f} (Bailey "
            "and Lopez de Prado's deflated ratio, with skewness and kurtosis)."
        )
    overfit = finite(figure.get("overfitting"))
    if overfit is not None:
        yield (
            f"PBO {overfit:.2f}: over all ways to split the validation days in halves, the trial "
            f"that is best on one half is below the median on the other in {100 * overfit:.0f} % "
            "of cases. Half is what choosing at random gives; near zero, the choice holds."
        )
    p = finite(figure.get("superior_p"))
    if p is not None:
        yield (
            f"Against the best baseline ({figure.get('baseline')}): were no trial better than it, "
            f"a lead as large would come with probability {p:.3f} (Hansen's test of superior "
            "predictive ability, which pays for the number of trials)."
        )


def _signal(found: Evidence) -> Iterator[Section]:
    own = found.predictions.get(found.horizon)
    if own is None:
        yield Section("signal", "Signal", [f"No daily picture: {found.why_none}."])
        return
    rank_ic_D = rank_ic(own)
    mean = estimated(rank_ic_D, own.horizon)
    says = [
        f"Trial {found.trial.number if found.trial else MISSING}, validation, h={own.horizon}: "
        f"RankIC {_signed(mean)} on {several(mean.n, 'day')}."
    ]
    drawn = [figures.rank_ic_by_day(own.dates_D, rank_ic_D, own.horizon)]
    yield Section("signal", "RankIC by day", says, drawings=drawn)
    yield _lags(found)
    years = by_year(own, rank_ic_D)
    drawn = [figures.estimates("years", "RankIC by year", years, "RankIC, 90 %")]
    sectors = by_sector(own, found.sectors)
    if sectors:
        shows = "RankIC among the stocks of each sector"
        drawn.append(figures.estimates("sectors", shows, sectors, "RankIC, 90 %", lying=True))
    note = [] if sectors else ["Not by sector: no sector with enough stocks is known."]
    yield Section("parts", "By year and by sector", note, drawings=drawn)
    yield Section(
        "order", "Deciles and calibration",
        ["Left to right the returns should rise evenly; a signal that lives in its ends alone is "
         "of use to few."],
        drawings=[figures.bucket_bars(bucket_returns(own), own.horizon),
                  figures.ranks_that_came(calibration(own))],
    )  # fmt: skip


def _lags(found: Evidence) -> Section:
    pairs = {
        str(horizon): [estimated(rank_ic(each), horizon) for each in (made, made.a_day_later())]
        for horizon, made in found.predictions.items()
    }
    rows = [
        (f"h={horizon}", _signed(now), _signed(later), _kept(now.mean, later.mean))
        for horizon, (now, later) in pairs.items()
    ]
    lag = found.config.label.entry_lag
    head = ("horizon", f"entry lag {lag}", f"entry lag {lag + 1}", "kept")
    says = [
        (
            "Entry lag 0 buys at the very close that the prediction is made from. "
            if lag == 0
            else f"Entry lag {lag} buys {several(lag, 'day')} after the prediction's close. "
        )
        + "A day later is what most could trade; what is lost between the two is reversal of a "
        "day, or a price that nobody gets."
    ]
    now, later = ({h: pair[i] for h, pair in pairs.items()} for i in (0, 1))
    return Section("lags", "Acted upon a day later", says, [Table(head, rows)],
                   [figures.lags(now, later)])  # fmt: skip


def _money(found: Evidence, cost_bps: float) -> Iterator[Section]:
    own = found.predictions.get(found.horizon)
    if own is None:
        return
    books = {
        "as trained": book(own, cost_bps),
        "a day later": book(own.a_day_later(), cost_bps),
    }
    if any(len(made.dates_P) < 2 for made in books.values()):
        yield Section("book", "Long-short book", ["Too few periods for a book."])
        return
    head = ("book", "a year", "after costs", "Sharpe", "after costs", "drawdown", "traded",
            "breaks even")  # fmt: skip
    rows = [_book_row(said, made) for said, made in books.items()]
    every = "every day" if own.horizon == 1 else f"every {own.horizon} trading days"
    says = [
        f"Long the best tenth, short the worst, equal weights, one unit on each side, made anew "
        f"{every}; nothing is reinvested. Costs are an assumption: {cost_bps:g} basis points of "
        "what is traded, one way. Short selling, borrow fees and impact are not in it, and these "
        "are the validation days by which the trial was chosen: expect less.",
    ]
    yield Section("book", "Long-short book", says, [Table(head, rows)], [figures.earnings(books)])


def _book_row(said: str, made: Book) -> tuple[str, ...]:
    traded = float(np.mean(made.traded_P)) if len(made.traded_P) else math.nan
    return (
        said, _percent(made.a_year(net=False)), _percent(made.a_year(net=True)),
        _number(made.sharpe(net=False)), _number(made.sharpe(net=True)), _percent(made.drawdown),
        f"{traded:.2f} x", "-" if made.break_even_bps is None else f"{made.break_even_bps:.1f} bp",
    )  # fmt: skip


def _trials(found: Evidence) -> Section:
    state = found.state
    trials = [trial for trial in state.trials.values() if trial.ended]
    if not trials:
        return Section("trials", "")
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    ordered = sorted(trials, key=lambda t: -math.inf if t.value is None else t.value, reverse=True)
    rows = [_trial_row(state, trial, names) for trial in ordered[:MOST_TRIALS]]
    head = ("trial", "state", "value", "epochs", "took", *(n.rpartition(".")[2] for n in names))
    worth = f"the median {found.judged} of the last epochs"
    least = ", the smaller the better" if state.objective.startswith("-") else ""
    says = [f"{several(len(trials), 'trial')}; a value is {worth}{least}."]
    if len(ordered) > MOST_TRIALS:
        says.append(f"The table has the best {MOST_TRIALS}.")
    valued = [trial for trial in trials if trial.value is not None]
    drawn = []
    if len(valued) > 1:
        drawn.append(figures.values_by_trial(state, trials))
        alike = [trial for trial in valued if set(trial.params) == set(names)]
        if names and len(alike) > 1:
            drawn.append(figures.parallel(state, alike, names))
    if found.importance:
        says_of = "Share of each parameter in how the best trials differ from all"
        drawn.append(figures.shares("importance", says_of, found.importance,
                                    "importance (PED-ANOVA)"))  # fmt: skip
    return Section("trials", "Trials", says, [Table(head, rows, 2)], drawn)


def _trial_row(state: State, trial: Trial, names: Sequence[str]) -> tuple[str, ...]:
    params = (trial.params.get(name) for name in names)
    shown = (f"{p:.3g}" if isinstance(p, float) else MISSING if p is None else str(p)
             for p in params)  # fmt: skip
    said = trial_word(trial.state)
    if trial.state == "FAIL" and trial.reason:
        said = f"{said}: {trial.reason}"
    took = duration(trial.ended - trial.started) if trial.started else MISSING
    return (
        str(trial.number),
        said,
        fixed(state.measured(trial.value), 4),
        str(len(trial.epochs)),
        took,
        *shown,
    )


def _epochs(found: Evidence) -> Section:
    rows = list(found.trial.epochs) if found.trial else []
    if not rows or found.trial is None:
        return Section("epochs", "")
    own = figures.learning(rows, found.state.judged_by, found.judged, found.horizon)
    drawn = [own, figures.time_split(rows), figures.duty(rows)]
    says = [] if drawn[-1] else ["The GPU was not measured: the trial used none, or NVML saw none."]
    return Section("epochs", f"Epochs of trial {found.trial.number}", says,
                   drawings=[each for each in drawn if each])  # fmt: skip


def _holdout(found: Evidence) -> Section:
    looked = [trial for trial in found.state.trials.values() if trial.holdout]
    if not looked and found.state.own_program:  # atft cannot score it
        return Section("holdout", "")
    if not looked:
        return Section("holdout", "Holdout", ["Nobody has looked at the holdout: `atft holdout` "
                                              "does, once, and counts it."])  # fmt: skip
    rows = []
    for trial in looked:
        for horizon, each in (trial.holdout or {}).items():
            if isinstance(each, dict) and "rank_ic" in each:
                known = [fixed(finite(each.get(key)), 4) for key in ("rank_ic", "rank_ic_se", "ic")]
                days = str(each.get("days", MISSING))
                rows.append((str(trial.number), f"h={horizon}", *known, days))
    head = ("trial", "horizon", "RankIC", "+-", "IC", "days")
    return Section("holdout", "Holdout", [], [Table(head, rows, 2)])


def _settings(found: Evidence) -> Section:
    facts = found.facts
    versions = facts.get("versions") or {}
    rows = [("atft", str(facts.get("code", facts.get("atft", "")))),
            ("Python", str(facts.get("python", ""))),
            *((name, str(version)) for name, version in versions.items()),
            ("git", _git(facts.get("git"))),
            ("data", str((facts.get("data") or {}).get("hash", ""))),
            ("configuration", str(facts.get("config_hash", "")))]  # fmt: skip
    words = [str(word) for word in facts.get("argv") or []]
    start = words[:1] if found.state.written else ["atft"]
    command = shlex.join([*start, *words[1:]]) if words else ""
    folded = [("config.toml", read_regular(found.run.config).decode(errors="replace"))]
    if found.trial and found.trial.settings:
        seen = "\n".join(f"{key} = {value}" for key, value in found.trial.settings.items())
        folded.append((f"as the worker of trial {found.trial.number} observed it", seen))
    says = [f"To run it again: {command}"] if command else []
    table = Table(("what", "which"), rows, 2)
    return Section("settings", "Settings and environment", says, [table], folded=folded)


def _git(known: object) -> str:
    if not isinstance(known, dict):
        return str(known or MISSING)
    return " ".join(f"{key} {value}" for key, value in known.items())


def _signed(mean: MeanEstimate) -> str:
    if not math.isfinite(mean.mean):
        return MISSING
    error = f" +-{mean.se:.4f}" if math.isfinite(mean.se) else ""
    return f"{mean.mean:+.4f}{error}"


def _kept(now: float, later: float) -> str:
    both = math.isfinite(now) and math.isfinite(later)
    return f"{100 * later / now:.0f} %" if both and now > 0 else MISSING


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:+.1f} %"


def _number(number: float | None) -> str:
    return MISSING if number is None else f"{number:.2f}"
