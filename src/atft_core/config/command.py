"""A program of the user's own in the place of our training."""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from atft_core.config.loss import Name
from atft_core.config.section import Section

PLACES = ("epochs", "trial", "seed", "threads", "trial_dir")
"""What argv may name beside parameters."""


class CommandConfig(Section):
    """What a trial runs instead of training the model of this package (docs/trainers.md)."""

    argv: tuple[str, ...] = ()
    """The program and its words; empty: train the model. {epochs}, {trial}, {seed}, {threads},
    {trial_dir} and {NAME} of command.params stand for what the trial has."""
    params: dict[Name, bool | int | float | str] = Field(default_factory=dict)
    """Values for argv; command.params.NAME can be searched like any key."""
    inputs: tuple[str, ...] = ()
    """Files that the program reads: evidence counts only for runs on the same content."""
    patterns: tuple[str, ...] = ()
    """Regular expressions with named groups for lines that tell numbers: epoch, train_NAME, NAME
    (validation), hN_NAME (at horizon N). Lines of JSON objects are understood without one."""
    epoch: Literal["ends", "begins"] = "ends"
    """What a line that tells an epoch's number does to it."""
    value: Annotated[str, Field(pattern=r"^-?[a-z][a-z0-9_]{0,39}$")] = "rank_ic"
    """The validation metric that the study maximises; with a minus before it, minimises."""
    stop_seconds: float = Field(30.0, gt=0, le=3600)
    """For a program that was told to stop (SIGTERM), until it is killed."""

    @field_validator("patterns")
    @classmethod
    def _patterns_tell(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for text in patterns:
            try:
                groups = re.compile(text).groupindex
            except re.error as error:
                raise ValueError(f"{text!r} is no regular expression: {error}") from error
            if not groups:
                raise ValueError(f"{text!r} has no named group, as (?P<rank_ic>\\S+)")
        return patterns

    @property
    def places(self) -> set[str]:
        """What argv has a place for."""
        parsed = (part for word in self.argv for part in Formatter().parse(word))
        return {name for _, name, _, _ in parsed if name}

    @model_validator(mode="after")
    def _words_are_known(self) -> CommandConfig:
        if taken := [name for name in self.params if name in PLACES]:
            raise ValueError(f"params: {{{taken[0]}}} stands for what the trial has already")
        for word in self.argv:
            try:
                parts = list(Formatter().parse(word))
            except ValueError as error:
                raise ValueError(f"argv: {word!r}: {error}; write {{{{ for a brace") from error
            names = [name for _, name, _, _ in parts if name is not None]
            if shaped := [name for _, name, shape, turned in parts if shape or turned]:
                raise ValueError(f"argv: {{{shaped[0]}}} stands by itself, without a format")
            if unknown := [name for name in names if name not in (*PLACES, *self.params)]:
                known = ", ".join((*PLACES, *self.params))
                raise ValueError(f"argv: {{{unknown[0]}}} stands for nothing; there are {known}")
        return self
