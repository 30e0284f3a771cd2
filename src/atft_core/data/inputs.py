"""What the files say, as arrays by day and stock, and what is wrong with it.

Shapes: T days, N stocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import Config, DataConfig
from atft_core.cross_section import Bools, Floats
from atft_core.data import checks
from atft_core.data.cache import Identity
from atft_core.data.checks import CellNames, Finding
from atft_core.data.hindsight import check_scale
from atft_core.data.labels import by_stocks, step_returns
from atft_core.data.market import day_values
from atft_core.data.read import (
    Keys,
    Table,
    column_findings,
    open_table,
    read_column,
    read_keys,
)
from atft_core.data.sidefiles import Edges, Sectors, read_edges, read_sectors
from atft_core.errors import ConfigError

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What was read from the files."""

    table: Table
    keys: Keys
    columns: dict[str, NDArray[np.floating]]
    """Those of open, high, low, close, volume that the panel has, as the file keeps them."""
    sectors: Sectors
    edges: Edges
    valid_TN: Bools

    @property
    def close_TN(self) -> Floats | None:  # noqa: N802
        """The close in float64; None where the panel has none."""
        close_TN = self.columns.get("close")
        return None if close_TN is None else close_TN.astype(np.float64)

    @property
    def names(self) -> CellNames:
        """How cells are called in messages."""
        return CellNames(self.keys.dates_T, self.keys.codes)


def read_inputs(
    config: Config, identity: Identity, *, labelled: bool = True
) -> tuple[Inputs | None, list[Finding]]:
    """Read and check keys, bars and sectors; None when there is nothing to compute from."""
    data = config.data
    _check_targets(config)
    table = open_table(identity.path)
    bars = _bar_columns(data, table, labelled=labelled)
    wanted = {"data.date_column": data.date_column, "data.code_column": data.code_column}
    wanted |= {f"data.{name}_column": column for name, column in bars.items()}
    for key, names in (("features", data.features), ("market", data.market)):
        wanted |= {f"data.{key}[{i}]": name for i, name in enumerate(names)}
    targets = {h: data.targets[h] for h in config.label.horizons if data.targets}
    wanted |= {f"data.targets.{h}": name for h, name in targets.items()}
    numeric = [*bars.values(), *data.features, *data.market, *targets.values()]
    findings = column_findings(table, wanted, numeric)
    if checks.has_errors(findings):
        return None, findings
    keys, found = read_keys(table, data.date_column, data.code_column)
    findings += found
    if keys is None:
        return None, findings
    columns = {name: read_column(table, keys, column) for name, column in bars.items()}
    sectors, found = read_sectors(identity.side.get("sector"), keys.codes)
    edges, more = read_edges(identity.side.get("edges"), keys.codes)
    valid_TN = np.isfinite(columns["close"]) if "close" in columns else keys.present_TN
    inputs = Inputs(table, keys, columns, sectors, edges, valid_TN)
    return inputs, findings + _check_inputs(config, inputs) + found + more


def _check_targets(config: Config) -> None:
    missing = sorted(set(config.label.horizons) - set(config.data.targets))
    if config.data.targets and missing:
        raise ConfigError(
            f"data.targets has no column for label.horizons {missing}.",
            hint="Name a target column for each horizon, or shorten label.horizons.",
        )


def _bar_columns(data: DataConfig, table: Table, *, labelled: bool) -> dict[str, str]:
    """The OHLCV columns to read, by meaning: all for built-in features, else those of use."""
    named = {name: str(getattr(data, f"{name}_column")) for name in (*PRICES, "volume")}
    if not data.features:
        return named
    close = named["close"]
    needed = labelled and not data.targets
    return {"close": close} if needed or close in table.schema else {}


def _check_inputs(config: Config, inputs: Inputs) -> list[Finding]:
    names, rows, columns = inputs.names, len(inputs.keys.cell_R), inputs.columns
    findings = []
    for name, x_TN in columns.items():
        kind = "price" if name in PRICES else "volume"
        column = str(getattr(config.data, f"{name}_column"))
        findings += checks.check_values(names, column, x_TN, kind)
        findings += checks.check_column(column, x_TN, rows)
        findings += check_scale("hindsight_bars", column, x_TN)
    findings += checks.check_days(names, inputs.valid_TN)
    for name in config.data.market:
        x_TN = read_column(inputs.table, inputs.keys, name)
        findings += checks.check_values(names, name, x_TN, "feature")
        findings += checks.check_one_value(names, name, x_TN)
        findings += checks.check_market(name, day_values(x_TN))
    if all(name in columns for name in PRICES):
        findings += checks.check_bars(names, *(columns[name] for name in PRICES))
    if "close" in columns:
        extreme_TN = np.zeros(inputs.valid_TN.shape, dtype=np.bool_)
        for stocks, close_Tn in by_stocks(columns["close"]):
            extreme_TN[:, stocks] = np.abs(step_returns(close_Tn)) > config.data.max_abs_return
        findings += checks.check_returns(names, extreme_TN, config.data.max_abs_return)
    elif not config.data.market:  # else the panel brings what it needs
        message = f"no column {config.data.close_column!r}: no market inputs and no neighbours"
        findings.append(Finding("no_close", message))
    return findings
