"""The drawings of a report. Each takes numbers and returns an `svg` element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats
from atft_core.objective.significance import MeanEstimate
from atft_core.report.book import Book
from atft_core.report.drawing import LINE, MUTED, ONE, TEXT, THREE, TWO, drawing
from atft_core.report.predictions import estimated
from atft_core.run.epochs import EpochRow
from atft_core.run.state import State, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NINETY = 1.645
"""Standard errors to either end of a 90 % interval."""
WINDOW = 63
"""Trading days of a running mean: a quarter."""
MOST_UPRIGHT = 7
"""Names beside each other that have room."""
PARTS = ("forward", "backward", "optimiser", "wait", "validate", "checkpoint", "other")


def rank_ic_by_day(dates_D: NDArray[np.datetime64], rank_ic_D: Floats, horizon: int) -> str:
    """Every day as a dot, the mean of the last quarter with its 90 % interval."""
    window = min(WINDOW, max(5, len(rank_ic_D) // 4))
    ends = np.arange(window, len(rank_ic_D) + 1)
    means = [estimated(rank_ic_D[end - window : end], horizon) for end in ends]
    mean_W = np.array([each.mean for each in means])
    error_W = NINETY * np.array([each.se for each in means])

    def draw(axes: Axes) -> None:
        axes.scatter(dates_D, rank_ic_D, s=5, color=MUTED, alpha=0.55, linewidths=0)
        axes.fill_between(dates_D[ends - 1], mean_W - error_W, mean_W + error_W, color=ONE,
                          alpha=0.25, linewidth=0)  # fmt: skip
        axes.plot(dates_D[ends - 1], mean_W, color=ONE, label=f"mean of {window} days, 90 %")
        axes.axhline(0.0, color=TEXT, linewidth=0.8)
        axes.set_ylabel("RankIC")
        axes.legend(loc="upper left", fontsize=9)
        _few_dates(axes)

    return drawing("byday", f"RankIC of each day, h={horizon}", draw)


def estimates(
    name: str, says: str, found: Mapping[str, MeanEstimate], label: str, *, lying: bool = False
) -> str:
    """A dot with its 90 % interval for each; `lying`: one below the other, for long names."""
    names, places = list(found), np.arange(len(found))
    means = np.array([each.mean for each in found.values()])
    errors = NINETY * np.array([each.se for each in found.values()])

    def draw(axes: Axes) -> None:
        if lying:
            axes.errorbar(means, places, xerr=errors, fmt="o", color=ONE, capsize=3)
            axes.axvline(0.0, color=TEXT, linewidth=0.8)
            axes.set_yticks(places, names)
            axes.invert_yaxis()
            axes.set_xlabel(label)
        else:
            axes.errorbar(places, means, yerr=errors, fmt="o", color=ONE, capsize=3)
            axes.axhline(0.0, color=TEXT, linewidth=0.8)
            axes.set_xticks(places, names)
            axes.set_xlim(-0.6, len(names) - 0.4)
            axes.set_ylabel(label)

    return drawing(name, says, draw, height=0.9 + 0.28 * len(found) if lying else 2.6)


def lags(now: Mapping[str, MeanEstimate], later: Mapping[str, MeanEstimate]) -> str:
    """RankIC by horizon, acted upon at once and a day later."""
    places = np.arange(len(now))

    def draw(axes: Axes) -> None:
        for shift, colour, found, said in ((-0.12, ONE, now, "as trained"),
                                           (0.12, TWO, later, "a day later")):  # fmt: skip
            means = [each.mean for each in found.values()]
            errors = [NINETY * each.se for each in found.values()]
            axes.errorbar(places + shift, means, yerr=errors, fmt="o", color=colour, capsize=3,
                          label=said)  # fmt: skip
        axes.axhline(0.0, color=TEXT, linewidth=0.8)
        axes.set_xticks(places, [f"h={horizon}" for horizon in now])
        axes.set_xlim(-0.6, len(places) - 0.4)
        axes.set_ylabel("RankIC, 90 %")
        axes.legend(fontsize=9)

    return drawing("lags", "RankIC by horizon at the entry lag of training and a day later", draw)


def bucket_bars(means: Sequence[MeanEstimate], horizon: int) -> str:
    """Mean excess return of each tenth."""
    places = np.arange(1, len(means) + 1)

    def draw(axes: Axes) -> None:
        heights = [1e4 * each.mean for each in means]
        errors = [1e4 * NINETY * each.se for each in means]
        axes.bar(places, heights, width=0.7, color=ONE, yerr=errors, ecolor=MUTED, capsize=2)
        axes.axhline(0.0, color=TEXT, linewidth=0.8)
        axes.set_xticks(places)
        axes.set_xlabel("tenth of the stocks by prediction, lowest first")
        axes.set_ylabel(f"bp in {horizon} d, less the day's mean")

    return drawing("deciles", "Mean return of each tenth of the stocks by prediction", draw)


def ranks_that_came(pairs: Sequence[tuple[float, float]]) -> str:
    """Rank predicted against mean rank that came: calibrated scores rise evenly."""

    def draw(axes: Axes) -> None:
        predicted, came = np.array(pairs).T
        axes.plot(predicted, came, "o-", color=ONE, markersize=4)
        axes.axhline(0.5, color=TEXT, linewidth=0.8)
        axes.set_xlabel("rank predicted, 0 to 1")
        axes.set_ylabel("mean rank that came")

    return drawing("calibration", "Mean rank that came by rank predicted", draw)


def earnings(books: Mapping[str, Book]) -> str:
    """What each book has earned after costs, added up; the first one also before."""

    def draw(axes: Axes) -> None:
        first = next(iter(books.values()))
        axes.plot(first.dates_P, 100 * np.cumsum(first.gross_P), color=MUTED, linewidth=1.0,
                  linestyle="--", label=f"{next(iter(books))}, before")  # fmt: skip
        for colour, (said, made) in zip((ONE, TWO, THREE), books.items(), strict=False):
            net = f"{said}, after costs"
            axes.plot(made.dates_P, 100 * np.cumsum(made.net_P), color=colour, label=net)
        axes.axhline(0.0, color=TEXT, linewidth=0.8)
        axes.set_ylabel("% of one side")
        axes.legend(fontsize=9, loc="upper left")
        _few_dates(axes)

    return drawing("earnings", "What the long-short book has earned over time", draw)


def _few_dates(axes: Axes) -> None:
    """As many as a phone has room for, each as short as it can be."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    places = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places))


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def values_by_trial(state: State, trials: Sequence[Trial]) -> str:
    """The value of each trial as they came, and the best so far."""
    best = state.best.number if state.best else None
    sign = state.measured(1.0) or 1.0
    done = [trial for trial in trials if trial.value is not None]

    def draw(axes: Axes) -> None:
        numbers = [trial.number for trial in done]
        values = np.array([trial.value for trial in done], np.float64)
        pruned = np.array([trial.state != "COMPLETE" for trial in done])
        numbers_K = np.array(numbers)
        axes.scatter(numbers_K[~pruned], sign * values[~pruned], s=22, color=ONE, label="complete")
        if pruned.any():
            axes.scatter(numbers_K[pruned], sign * values[pruned], s=22, marker="x", color=MUTED,
                         label="pruned")  # fmt: skip
        so_far = np.maximum.accumulate(np.where(pruned, -np.inf, values))
        axes.step(numbers_K, sign * so_far, where="post", color=TWO, label="best so far")
        axes.axhline(0.0, color=TEXT, linewidth=0.8)
        axes.set_xlabel(f"trial{'' if best is None else f' (best: {best})'}")
        axes.set_ylabel("value")
        _whole_numbers(axes)
        axes.legend(fontsize=9)

    return drawing("trials", "Value of each trial and the best so far", draw)


def parallel(state: State, trials: Sequence[Trial], names: Sequence[str]) -> str:
    """A line for each trial through its parameters to its value; good ones strong."""
    done = sorted((t for t in trials if t.value is not None), key=lambda t: t.value or 0.0)
    columns = [_scaled([trial.params.get(name) for trial in done]) for name in names]
    values = [state.measured(trial.value) for trial in done]
    columns.append(_scaled(values))
    place_K = np.linspace(0.0, 1.0, len(done)) if len(done) > 1 else np.ones(len(done))

    def draw(axes: Axes) -> None:
        at = [float(i) for i in range(len(columns))]
        for i, place in enumerate(place_K):
            best = i == len(done) - 1
            alpha, width = (1.0, 2.0) if best else (0.12 + 0.5 * place, 1.0)
            axes.plot(at, [column[0][i] for column in columns], color=TWO if best else ONE,
                      alpha=alpha, linewidth=width)  # fmt: skip
        for x, (_, low, high) in zip(at, columns, strict=True):
            axes.text(x, -0.04, low, ha="center", va="top", fontsize=8, color=MUTED)
            axes.text(x, 1.04, high, ha="center", va="bottom", fontsize=8, color=MUTED)
        axes.set_xticks(at, [*(name.rpartition(".")[2] for name in names), "value"])
        axes.tick_params(axis="x", pad=14)
        if len(columns) > MOST_UPRIGHT:
            for label in axes.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")
        axes.set_yticks([])
        axes.set_ylim(-0.12, 1.14)
        axes.grid(axis="x", color=LINE)
        axes.spines[["left", "bottom"]].set_visible(False)

    return drawing("parallel", "Parameters and value of each trial, the best one marked", draw,
                   height=3.2)  # fmt: skip


def _scaled(values: Sequence[Any]) -> tuple[list[float], str, str]:
    """Places from 0 to 1, and what stands at both ends; words in their order."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        return [(value - low) / span for value in values], f"{low:.3g}", f"{high:.3g}"
    words = sorted({str(value) for value in values})
    top = max(1, len(words) - 1)
    return [words.index(str(value)) / top for value in values], words[0], words[-1]


def shares(name: str, says: str, found: Mapping[str, float], label: str) -> str:
    """Bars, one below the other, the longest first."""
    ordered = sorted(found.items(), key=lambda pair: -pair[1])

    def draw(axes: Axes) -> None:
        places = np.arange(len(ordered))
        axes.barh(places, [share for _, share in ordered], color=ONE, height=0.6)
        axes.set_yticks(places, [key for key, _ in ordered])
        axes.invert_yaxis()
        axes.set_xlabel(label)

    return drawing(name, says, draw, height=0.9 + 0.28 * len(ordered))


def learning(rows: Sequence[EpochRow], name: str, said: str, horizon: int) -> str:
    """A validation metric by epoch with its 90 % interval, where its error is known."""
    known = [(row.epoch, row.metric(name, horizon), row.metric(f"{name}_se", horizon))
             for row in rows]  # fmt: skip
    points = [(epoch, mean, error or 0.0) for epoch, mean, error in known if mean is not None]

    def draw(axes: Axes) -> None:
        epoch, mean, error = (np.array(each) for each in zip(*points, strict=True))
        axes.fill_between(epoch, mean - NINETY * error, mean + NINETY * error, color=ONE,
                          alpha=0.25, linewidth=0)  # fmt: skip
        axes.plot(epoch, mean, "o-", color=ONE, markersize=3)
        axes.axhline(0.0, color=TEXT, linewidth=0.8)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"validation {said}")
        _whole_numbers(axes)

    return drawing("learning", f"Validation {said} by epoch", draw) if points else ""


def time_split(rows: Sequence[EpochRow]) -> str:
    """Where the seconds of each epoch went; nothing where none says."""
    if not any(row.time.get(part) for row in rows for part in PARTS):
        return ""
    shades = (ONE, ONE, ONE, TWO, THREE, MUTED, LINE)
    strength = (0.95, 0.65, 0.4, 0.9, 0.8, 0.8, 0.9)

    def draw(axes: Axes) -> None:
        epochs = [row.epoch for row in rows]
        under = np.zeros(len(rows))
        for part, shade, alpha in zip(PARTS, shades, strength, strict=True):
            seconds = np.array([float(row.time.get(part) or 0.0) for row in rows])
            axes.bar(epochs, seconds, bottom=under, color=shade, alpha=alpha, width=0.8, label=part)
            under += seconds
        axes.set_xlabel("epoch")
        axes.set_ylabel("seconds")
        _whole_numbers(axes)
        axes.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.28))

    return drawing("time", "Seconds of each epoch by part", draw, height=3.0)


def duty(rows: Sequence[EpochRow]) -> str:
    """The GPU while training: median and the span from the 10th to the 90th percentile."""
    known = [row for row in rows if row.gpu and "p50" in row.gpu]
    if not known:
        return ""

    def draw(axes: Axes) -> None:
        epochs = [row.epoch for row in known]
        low, middle, high = ([float((row.gpu or {})[key]) for row in known]
                             for key in ("p10", "p50", "p90"))  # fmt: skip
        axes.fill_between(epochs, low, high, color=ONE, alpha=0.25, linewidth=0)
        axes.plot(epochs, middle, "o-", color=ONE, markersize=3)
        axes.set_ylim(0, 102)
        axes.set_xlabel("epoch")
        axes.set_ylabel("GPU busy, %")

    return drawing("duty", "GPU utilisation of each epoch", draw)
