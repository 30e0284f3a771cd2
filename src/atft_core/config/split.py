"""Which days train, validate and are held out."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from atft_core.config.section import Section


class SplitConfig(Section):
    """Train, validation and holdout by date, with purged days in between."""

    train: float = Field(0.6, gt=0, lt=1)
    """Share of the days that train, when `val_start` is not given."""
    val: float = Field(0.2, gt=0, lt=1)
    """Share of the days that validate, when `holdout_start` is not given."""
    val_start: date | None = None
    """First day of validation; overrides `train`."""
    holdout_start: date | None = None
    """First day of the holdout; overrides `val`."""
    warmup: int = Field(60, ge=0)
    """Days at the start that only serve as history."""
    folds: int = Field(0, ge=0, le=100)
    """Walk-forward: parts of the validation days, each judged by a model that was trained on the
    days before it; 0: one validation. `atft walkforward` sets these three."""
    fold: int = Field(0, ge=0, le=99)
    """Which part validates."""
    window: Literal["expanding", "rolling"] = "expanding"
    """A fold trains on all days before it, or on as many as the first fold has."""

    @model_validator(mode="after")
    def _fold_exists(self) -> SplitConfig:
        if self.fold >= max(self.folds, 1):
            raise ValueError(f"fold = {self.fold} does not exist among folds = {self.folds}")
        return self
