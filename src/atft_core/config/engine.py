"""How a study is run, and where: nothing here changes what a trial computes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from atft_core.config.secret import why_refused
from atft_core.config.section import Section

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
"""Study names and run directories: nothing that a shell, a path or a terminal could misread."""


class EngineConfig(Section):
    """How the study is run."""

    study_name: str = Field("atft", pattern=NAME_PATTERN)
    """Name of the Optuna study."""
    n_trials: int = Field(1, ge=1, le=100_000)
    """Trials of the study."""
    sampler: Literal["tpe", "grid"] = "tpe"
    """How trials are drawn: where TPE expects most, or every combination of [search], in order."""
    max_retries: int = Field(3, ge=0, le=100)
    """Times a killed worker is started again before its trial fails."""
    prune_warmup: int = Field(5, ge=0)
    """Epochs before a trial may be pruned."""
    prune_patience: int = Field(2, ge=0)
    """Epochs without progress that the pruner tolerates."""
    prune_startup: int = Field(5, ge=0)
    """Trials that must be complete before any is pruned."""
    keep_predictions: int = Field(3, ge=1)
    """Best trials whose predictions are kept."""
    slots: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = "auto"
    """Trials at once: auto (one for each GPU, one on a machine without), or that many, spread over
    the GPUs. Several share a GPU when what one takes was measured and fits beside it. On a cluster:
    auto (as many as fit), or at most that many."""
    executor: Literal["local", "ray"] = "local"
    """Where trials run: on this machine, or on the nodes of a Ray cluster (pip install 'atft[ray]',
    section [ray])."""
    storage: str = ""
    """Where the study is; empty: study.db in the run directory. Else PostgreSQL, which several runs
    may share: "environment" (the URL is in ATFT_STORAGE), a file of mode 0600 that holds the URL,
    or postgresql://HOST/DATABASE without a password."""
    hung_seconds: float = Field(300, gt=0)
    """Silence of a running worker after which the run counts as hung."""
    trial_hours: float = Field(0, ge=0)
    """Hours of work after which a trial is given up, TIMED_OUT; 0: it takes as long as it takes."""
    group: str = ""
    """Unix group that may read the run directory (mode 0750 instead of 0700)."""

    @field_validator("storage")
    @classmethod
    def _holds_no_secret(cls, storage: str) -> str:
        if why := why_refused(storage):
            raise ValueError(why)
        return storage

    @model_validator(mode="after")
    def _grid_is_its_own(self) -> EngineConfig:
        if self.storage and self.sampler == "grid":
            raise ValueError("a grid belongs to one run: engine.sampler = grid needs study.db "
                             "(engine.storage empty)")  # fmt: skip
        return self


class RayConfig(Section):
    """The cluster that engine.executor = "ray" means."""

    address: str = Field("auto", pattern=r"^(auto|[A-Za-z0-9][A-Za-z0-9._-]*:[0-9]{1,5})$")
    """HOST:PORT of its head; auto: the one that this machine belongs to."""
    gpus: Literal["auto"] | Annotated[float, Field(ge=0, le=64)] = "auto"
    """GPUs that a trial takes, or a share of one; auto: train.devices_per_trial where the cluster
    has any when the run begins, else 0."""
    cpus: float = Field(1, gt=0, le=1024)
    """CPU cores that a trial takes, at least one for each of its devices, and its threads unless
    train.threads says otherwise."""

    @field_validator("address")
    @classmethod
    def _port_exists(cls, address: str) -> str:
        if address != "auto" and not 0 < int(address.rpartition(":")[2]) < 2**16:
            raise ValueError("a port is a number from 1 to 65535")
        return address

    @field_validator("gpus")
    @classmethod
    def _shares_are_of_one(cls, gpus: float | str) -> float | str:
        if isinstance(gpus, float) and gpus > 1 and gpus % 1:
            raise ValueError("a share of one GPU, or whole ones: 0.5, 1, 2")
        return gpus
