"""Predictions as other libraries take them, with their own names of columns."""

from __future__ import annotations

import polars as pl

from atft_core.errors import UsageError


def for_alphalens(predictions: pl.DataFrame, horizon: int, split: str) -> pl.DataFrame:
    """date, asset, factor and the forward return of each horizon as `1D`, `5D`, ...

    The factor is the prediction at `horizon`. With the index (date, asset), `factor` and the other
    columns are what alphalens.utils.get_clean_factor takes as factor and forward_returns.
    """
    own = _rows(predictions, horizon, split)
    returns = (
        predictions.filter(pl.col("split") == split)
        .with_columns(pl.format("{}D", pl.col("horizon")).alias("period"))
        .pivot(on="period", index=["date", "code"], values="target")
    )
    periods = sorted(set(returns.columns) - {"date", "code"}, key=lambda name: int(name[:-1]))
    joined = own.join(returns, on=["date", "code"], how="left").sort("date", "code")
    return joined.select(
        pl.col("date").cast(pl.Datetime("ns")), pl.col("code").alias("asset"),
        pl.col("prediction").alias("factor"), *periods,
    )  # fmt: skip


def for_qlib(predictions: pl.DataFrame, horizon: int, split: str) -> pl.DataFrame:
    """datetime, instrument, score, label: with the index (datetime, instrument) what Qlib's
    analyses take as pred_label.
    """
    own = _rows(predictions, horizon, split).sort("date", "code")
    return own.select(
        pl.col("date").cast(pl.Datetime("ns")).alias("datetime"),
        pl.col("code").alias("instrument"), pl.col("prediction").alias("score"),
        pl.col("target").alias("label"),
    )  # fmt: skip


def of_split(predictions: pl.DataFrame, split: str) -> pl.DataFrame:
    """Those of validation or of the holdout; UsageError where there are none."""
    found = predictions.filter(pl.col("split") == split)
    if found.is_empty():
        raise UsageError(
            f"There are no {split} predictions.",
            hint=f"The file has those of {', '.join(sorted(set(predictions['split'])))}.",
        )
    return found


def _rows(predictions: pl.DataFrame, horizon: int, split: str) -> pl.DataFrame:
    found = predictions.filter((pl.col("split") == split) & (pl.col("horizon") == horizon))
    if found.is_empty():
        there = sorted(set(predictions["horizon"]))
        raise UsageError(
            f"There are no {split} predictions at horizon {horizon}.",
            hint=f"The file has the horizons {', '.join(map(str, there))} of "
            f"{', '.join(sorted(set(predictions['split'])))}.",
        )
    return found
