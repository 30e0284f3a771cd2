"""Weights of the composite loss."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from atft_core.config.section import Section

OWN = "own."
"""Before the name of what a plug-in brings."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class LossConfig(Section):
    """Weights of the composite loss; 0 switches a term off."""

    rank_ic: float = Field(0.5, ge=0)
    """Pearson correlation of prediction and target rank."""
    cs_ic: float = Field(0.3, ge=0)
    """Pearson correlation with the Gaussianised target."""
    sharpe: float = Field(0.1, ge=0)
    """Mean over deviation of the long-short return across the block's days (needs 8)."""
    huber: float = Field(0.05, ge=0)
    """Huber distance to the ranked target; fixes the scale of the scores."""
    quantile: float = Field(0.0, ge=0)
    """Pinball loss of five quantiles of the ranked target; needs model.quantiles."""
    direction: float = Field(0.0, ge=0)
    """Cross-entropy of being above the day's median."""
    pairwise: float = Field(0.0, ge=0)
    """Logistic loss of ordering pairs of stocks."""
    spearman: float = Field(0.0, ge=0)
    """Correlation of the soft rank with the target rank."""
    own: dict[Name, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Weights of terms from plug-ins: { tail = 0.1 }; they are called own.tail then."""
    horizon_weights: dict[int, Annotated[float, Field(ge=0)]] = Field(
        default_factory=lambda: {1: 1.0, 5: 0.5, 10: 0.3, 20: 0.2}
    )
    """Weight of each horizon; a horizon not named weighs 0.2."""

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every term by its name, ours first."""
        ours = {name: float(getattr(self, name)) for name in BUILT_IN}
        return ours | {f"{OWN}{name}": weight for name, weight in self.own.items()}

    @model_validator(mode="after")
    def _something_to_learn(self) -> LossConfig:
        if not any(self.weights.values()):
            raise ValueError("every loss weight is 0: there is nothing to learn")
        return self


BUILT_IN = tuple(name for name in LossConfig.model_fields if name not in ("own", "horizon_weights"))
"""Loss terms that have a key of their own. Made once: a compiled step cannot look for them."""
