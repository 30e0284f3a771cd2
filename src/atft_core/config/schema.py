"""What can be configured. One frozen model per subject; an unknown key is an error.

The docstring under a field is its documentation: `atft config show` prints it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from atft_core.config.command import CommandConfig
from atft_core.config.engine import EngineConfig, RayConfig
from atft_core.config.loss import BUILT_IN, LossConfig, Name
from atft_core.config.search import Choice, Range, default_search
from atft_core.config.section import Section
from atft_core.config.split import SplitConfig

QUANTILE_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles that the quantile head gives; the one in the middle is the score."""


class DataConfig(Section):
    """Where the panel is, what its columns mean, and what happens to doubtful values."""

    path: Path = Path("panel.parquet")
    """Parquet or Arrow IPC file with one row per (date, code)."""
    sector: str = "auto"
    """File with columns code, sector; "auto": sector.parquet beside the panel, if any; "": none."""
    edges: str = "auto"
    """File with columns code, neighbour and maybe weight, known before the first day; "auto":
    edges.parquet beside the panel, if any; "": none."""
    date_column: str = "date"
    """Column that holds the trading day (Date, Datetime or ISO text)."""
    code_column: str = "code"
    """Column that holds the stock code."""
    open_column: str = "open"
    """Column that holds the day's first price."""
    high_column: str = "high"
    """Column that holds the day's highest price."""
    low_column: str = "low"
    """Column that holds the day's lowest price."""
    close_column: str = "close"
    """Column that holds the day's last price; labels are computed from it."""
    volume_column: str = "volume"
    """Column that holds the number of shares traded."""
    features: tuple[str, ...] = ()
    """Ready feature columns; empty: the built-in features are computed from OHLCV."""
    trusted: tuple[str, ...] = ()
    """Given features that look scaled by days to come, and are not."""
    raw: tuple[str, ...] = ()
    """Those of `features` that are taken as they are, neither ranked nor z-scored."""
    market: tuple[str, ...] = ()
    """Ready market columns, the same for all stocks of a day; empty: computed from the close."""
    targets: dict[int, str] = Field(default_factory=dict)
    """Ready target columns by horizon, with the entry lag of [label]; empty: computed from the
    close."""
    normalise: Literal["rank", "zscore"] = "rank"
    """How each feature is made comparable within a day."""
    dtype: Literal["bfloat16", "float32", "uint8rank"] = "bfloat16"
    """How features are stored; uint8rank: one byte, needs ranks; raw columns force float32."""
    max_abs_return: float = Field(0.5, gt=0)
    """One-day returns beyond this are reported and handled by `extreme_label_policy`."""
    extreme_label_policy: Literal["mask", "winsorise", "keep"] = "mask"
    """What happens to labels that contain a return beyond `max_abs_return`."""
    neighbours: int = Field(8, ge=0, le=64)
    """Most correlated stocks per stock in the graph, from trailing returns; 0: none."""
    neighbour_window: int = Field(60, ge=10, le=512)
    """Trading days over which the correlation is measured."""
    neighbour_refresh: int = Field(20, ge=1, le=512)
    """Trading days between two measurements."""
    cache_dir: str = ""
    """Where caches are kept; empty: the user's cache directory."""
    feed: Literal["auto", "resident", "mmap", "ring"] = "auto"
    """Where blocks come from; auto: the fastest for which there is memory."""
    workers: int = Field(2, ge=0, le=64)
    """Producers of the ring feed; the other feeds have no processes."""
    prefetch: int = Field(2, ge=1, le=64)
    """Blocks that the ring feed prepares ahead; the other feeds need not."""

    @model_validator(mode="after")
    def _features_make_sense(self) -> DataConfig:
        unknown = sorted(set(self.raw) - set(self.features))
        if unknown:
            raise ValueError(f"raw names {unknown}, which features does not list")
        if self.dtype == "uint8rank" and self.normalise != "rank":
            raise ValueError('dtype = "uint8rank" keeps ranks: set normalise = "rank"')
        twice = sorted({name for name in self.features if self.features.count(name) > 1})
        if twice:
            raise ValueError(f"features names {twice} twice")
        return self


class LabelConfig(Section):
    """What is predicted: the return from close[t + lag] to close[t + lag + h]."""

    horizons: tuple[int, ...] = (1, 5, 10, 20)
    """Trading days ahead, ascending."""
    entry_lag: int = Field(0, ge=0, le=5)
    """0: the research convention; 1: tradable, entered at the next close."""

    @model_validator(mode="after")
    def _ascending(self) -> LabelConfig:
        if not self.horizons or sorted(set(self.horizons)) != list(self.horizons):
            raise ValueError("horizons must be ascending and distinct, for instance [1, 5, 10, 20]")
        if self.horizons[0] < 1:
            raise ValueError("horizons count trading days and start at 1")
        return self

    @property
    def purge_days(self) -> int:
        """Days between two splits so that no label crosses from one into the other."""
        return self.horizons[-1] + self.entry_lag


class ModelConfig(Section):
    """The network. Each switch really removes its block."""

    hidden: int = Field(128, ge=8, le=1024)
    """Width of a (day, stock) token."""
    encoder_depth: int = Field(1, ge=1, le=8)
    """Residual layers of the same-day encoder."""
    heads: int = Field(4, ge=1, le=32)
    """Attention heads, in time and in the graph; must divide `hidden`."""
    messages: tuple[Literal["edges", "neighbours", "sector"], ...] = ("edges",)
    """Whose columns a stock hears with `graph`: of given edges, of the most correlated stocks, of
    its sector."""
    layers: int = Field(0, ge=0, le=6)
    """Graph attention layers over most correlated stocks, sector and market; 0: only messages."""
    channels: int = Field(16, ge=1, le=256)
    """Width of the narrow tokens of own and neighbours' columns, each."""
    lookback: int = Field(21, ge=2, le=250)
    """Days that kernel and temporal attention see, the prediction day included."""
    dropout: float = Field(0.4, ge=0, lt=1)
    """Dropout in encoder, kernel, attention over time and head."""
    graph_dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout on graph attention."""
    selection: bool = True
    """Gated selection over feature groups (else one linear layer)."""
    kernel: bool = True
    """Causal kernel over the columns of the last `lookback` days."""
    temporal: bool = True
    """Banded attention over the last `lookback` days."""
    attend: Literal["columns", "encoded"] = "columns"
    """What that attention reads of each day: the narrow tokens, or each day encoded in full, which
    costs several times as much and remembers noise."""
    graph: bool = True
    """What other stocks say: `messages` on every day, `layers` of attention on the last."""
    fan: bool = False
    """Frequency statistics of the window (FAN), fed to the query path."""
    san: bool = False
    """Slice statistics of the window (SAN), fed to the query path."""
    market: bool = True
    """Market-state inputs."""
    market_noise: float = Field(10.0, ge=0, le=1000)
    """Noise on the market inputs in training, in standard errors of their means: of these inputs a
    day is one sample, of slow ones a month, and a network remembers them all."""
    linear: bool = True
    """Linear path from the features to the score."""
    own: tuple[Name, ...] = ()
    """Parts from plug-ins: what each makes of a day and its window is added to what the others say.
    """
    quantiles: bool = False
    """A head for quantiles of the ranked target around the score, which is their median."""

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelConfig:
        for width in ("hidden", "channels"):
            value = getattr(self, width)
            if value % self.heads:
                raise ValueError(f"heads = {self.heads} does not divide {width} = {value}")
        if self.attend == "encoded" and self.hidden % (2 * self.heads):
            raise ValueError(f"heads = {self.heads} does not divide hidden / 2 = {self.hidden / 2}")
        return self


Block = Literal["encoder", "statistics", "kernel", "time", "graph", "head"]
"""Parts of the network that a phase can freeze; encoder and head cannot be off."""


class Phase(Section):
    """A part of the training."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$")
    """What it is called in the log and on the screen."""
    share: float = Field(gt=0, le=1e6)
    """Its share of max_epochs; only the ratios of the shares count."""
    rate: float = Field(1.0, gt=0, le=100)
    """Its learning rate, as a multiple of the one that the schedule gives."""
    loss: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Loss weights that differ from [loss]."""
    off: tuple[Literal["statistics", "kernel", "time", "graph"], ...] = ()
    """Blocks that are not computed."""
    frozen: tuple[Block, ...] = ()
    """Blocks that are computed but do not learn."""
    noise: float = Field(0.0, ge=0, le=10)
    """Noise on the features in training (augmentation); ranks and z-scores have deviation 1."""

    @model_validator(mode="after")
    def _something_learns(self) -> Phase:
        if {*self.off, *self.frozen} >= set(get_args(Block)):
            raise ValueError(f"phase {self.name!r} freezes everything: nothing would learn")
        return self

    @model_validator(mode="after")
    def _terms_exist(self) -> Phase:
        known = list(BUILT_IN)
        if unknown := sorted(set(self.loss) - set(known)):
            raise ValueError(f"loss has no {unknown}; there are {known}")
        return self


class TrainConfig(Section):
    """How a trial is trained."""

    max_epochs: int = Field(10, ge=1, le=10_000)
    """Epochs per trial."""
    block_days: int = Field(16, ge=1, le=256)
    """Consecutive whole days per optimiser step."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """Peak learning rate of AdamW; annealed by a cosine to 5 % over all epochs."""
    weight_decay: float = Field(0.02, ge=0)
    """Decoupled weight decay."""
    sparsity: float = Field(1.5, ge=0, le=10)
    """Proximal group lasso: by how much, times the learning rate, each step shrinks the weights of
    every input column."""
    phases: tuple[Phase, ...] = ()
    """Parts of the training, in order; empty: one, in which everything learns."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this global norm."""
    ema: float = Field(0.98, ge=0, lt=1)
    """Decay of the averaged weights that validation uses; 0: none."""
    max_batches: int = Field(0, ge=0)
    """Batches per epoch; 0: all of them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where a trial runs."""
    amp: Literal["auto", "bfloat16", "off"] = "auto"
    """Autocast; auto: bfloat16 on CUDA, off on the CPU."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the step; auto: on CUDA, where it pays."""
    devices_per_trial: int = Field(1, ge=1, le=64)
    """GPUs that work at one trial, or processes on a CPU: each sees its part of every block's days.
    The result is the same but for the draws of dropout and noise."""
    threads: int = Field(0, ge=0, le=256)
    """CPU threads of a worker; 0: all cores that the process may use."""
    val_debug: bool = False
    """Log every validation batch (slow)."""
    seed: int = Field(0, ge=0)
    """Seed of the study; trial number and epoch are mixed in."""

    @model_validator(mode="after")
    def _each_device_has_a_day(self) -> TrainConfig:
        if self.devices_per_trial > self.block_days:
            raise ValueError(
                f"devices_per_trial = {self.devices_per_trial}, but a block has only "
                f"block_days = {self.block_days}"
            )
        return self


class PluginsConfig(Section):
    """Functions of your own."""

    files: tuple[str, ...] = ()
    """Python files with tables of loss terms, parts of the model, criteria or exporters
    (docs/plugins.md); --plugin adds one. The code of a file runs once you have allowed it."""


class ObjectiveConfig(Section):
    """What the study maximises: validation RankIC."""

    horizon: int = Field(1, ge=1)
    """Horizon of the objective."""
    last_epochs: int = Field(3, ge=1)
    """A trial's value is the median over this many last epochs."""
    lightgbm: Literal["auto", "off"] = "auto"
    """Gradient-boosted trees among the baselines, at the horizon of the objective; auto: where
    LightGBM is installed (pip install 'atft[baselines]'). Minutes on a large panel, once a run."""


class Config(Section):
    """Everything that decides a run."""

    data: DataConfig = Field(default_factory=DataConfig)
    label: LabelConfig = Field(default_factory=LabelConfig)
    split: SplitConfig = Field(default_factory=SplitConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    loss: LossConfig = Field(default_factory=LossConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    objective: ObjectiveConfig = Field(default_factory=ObjectiveConfig)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    ray: RayConfig = Field(default_factory=RayConfig)
    plugins: PluginsConfig = Field(default_factory=PluginsConfig)
    command: CommandConfig = Field(default_factory=CommandConfig)
    search: dict[str, Range | Choice] = Field(default_factory=default_search)
    """Searched keys; empty: every trial runs the configuration as it stands."""

    @model_validator(mode="before")
    @classmethod
    def _a_program_has_no_usual_search(cls, given: Any) -> Any:
        command = given.get("command") if isinstance(given, dict) else None
        named = isinstance(command, dict) and command.get("argv") and "search" not in given
        return {**given, "search": {}} if named else given

    @model_validator(mode="after")
    def _a_program_hears_what_is_searched(self) -> Config:
        heard = {f"command.params.{name}" for name in self.command.places}
        heard |= {"train.seed"} if "seed" in self.command.places else set()
        if self.command.argv and (deaf := sorted(set(self.search) - heard)):
            raise ValueError(
                f"the program is never told {deaf[0]}, which is searched: write "
                "{NAME} of command.params into command.argv"
            )
        return self

    @model_validator(mode="after")
    def _objective_is_labelled(self) -> Config:
        if self.objective.horizon not in self.label.horizons:
            raise ValueError(
                f"objective.horizon = {self.objective.horizon} is not one of "
                f"label.horizons = {list(self.label.horizons)}"
            )
        return self

    @model_validator(mode="after")
    def _some_horizon_weighs(self) -> Config:
        weights = self.loss.horizon_weights
        if not any(weights.get(h, 1.0) for h in self.label.horizons):
            raise ValueError(
                "loss.horizon_weights is 0 for each of "
                f"label.horizons = {list(self.label.horizons)}: there is nothing to learn"
            )
        return self

    @model_validator(mode="after")
    def _phases_make_sense(self) -> Config:
        phases = self.train.phases
        if phases and phases[-1].off:
            raise ValueError(
                f"the last phase, {phases[-1].name!r}, switches blocks off, but scores are made "
                "with the whole network: freeze them, or remove them with their model switch"
            )
        for phase in phases:
            LossConfig.model_validate({**self.loss.model_dump(), **phase.loss})
        return self

    @model_validator(mode="after")
    def _devices_have_their_gpus(self) -> Config:
        gpus, devices = self.ray.gpus, self.train.devices_per_trial
        if self.engine.executor == "ray" and isinstance(gpus, float) and 0 < gpus < devices > 1:
            raise ValueError(
                f"ray.gpus = {gpus:g}, but train.devices_per_trial = {devices}: a trial takes one "
                "GPU for each of its devices, or none (ray.gpus = 0)"
            )
        return self

    @model_validator(mode="after")
    def _quantiles_have_a_head(self) -> Config:
        weights = [self.loss.quantile, *(p.loss.get("quantile", 0.0) for p in self.train.phases)]
        if any(weights) and not self.model.quantiles:
            raise ValueError("loss.quantile needs model.quantiles = true")
        return self

    @model_validator(mode="after")
    def _policy_fits_targets(self) -> Config:
        if self.data.targets and self.data.extreme_label_policy == "winsorise":
            raise ValueError(
                'data.extreme_label_policy = "winsorise" needs labels that are computed from the '
                "close; given data.targets can be masked or kept"
            )
        return self
