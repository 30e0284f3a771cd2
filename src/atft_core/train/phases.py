"""Training in phases: which blocks act and learn, on what loss, how fast.

A block that is off is not computed; a frozen one is, and keeps its weights. One phase, in which
everything learns, is the default; whether several rank better has not been measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from atft_core.config.loss import LossConfig
from atft_core.config.schema import Phase, TrainConfig
from atft_core.train.step import Learner


@dataclass(frozen=True)
class Span:
    """A phase and the epochs that it gets, 1-based."""

    phase: Phase
    epochs: range

    def __str__(self) -> str:
        first, last = self.epochs[0], self.epochs[-1]
        epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        phase = self.phase
        said = [f"learning rate x {phase.rate:g}"] if phase.rate != 1 else []
        said += [f"off: {', '.join(phase.off)}"] if phase.off else []
        said += [f"frozen: {', '.join(phase.frozen)}"] if phase.frozen else []
        said += [f"{name} {weight:g}" for name, weight in phase.loss.items()]
        said += [f"noise {phase.noise:g}"] if phase.noise else []
        return f"{phase.name}, {epochs}" + "".join(f"; {each}" for each in said)


def spans_of(train: TrainConfig) -> list[Span]:
    """The phases with their epochs, in order; without phases one.

    Borders are shares of `max_epochs`, rounded. A phase gets none when a run is too short for all;
    the last epoch always belongs to the last phase.
    """
    phases = train.phases or (Phase(name="Training", share=1),)
    total = sum(phase.share for phase in phases)
    spans, share, first = [], 0.0, 1
    for i, phase in enumerate(phases):
        share += phase.share
        is_last = i == len(phases) - 1
        most = train.max_epochs if is_last else train.max_epochs - 1
        stop = min(round(share / total * train.max_epochs), most) + 1
        if stop > first or is_last:
            spans.append(Span(phase, range(first, train.max_epochs + 1 if is_last else stop)))
            first = stop
    return spans


def weights_furthest_from(train: TrainConfig, loss: LossConfig) -> LossConfig:
    """Of all phases' loss weights those that differ most from `loss`: what a check must see."""
    asked = loss.weights

    def distance(found: LossConfig) -> float:
        there = found.weights
        return sum(abs(there[name] - weight) for name, weight in asked.items())

    phases = [span.phase for span in spans_of(train)]
    return max((loss.model_copy(update=phase.loss) for phase in phases), key=distance)


def enter(learner: Learner, loss: LossConfig, epoch: int) -> str:
    """Make the learner what it is in this epoch; what to say when a phase begins, else ''.

    `loss` are the weights that hold outside of phases. Idempotent: a resumed trial enters the
    phase it was in.
    """
    spans = spans_of(learner.train)
    for number, span in enumerate(spans, start=1):
        if epoch in span.epochs:
            _become(learner, loss, span.phase)
            return f"Phase {number}: {span}" if epoch == span.epochs[0] else ""
    return ""


def _become(learner: Learner, loss: LossConfig, phase: Phase) -> None:
    learner.loss = loss.model_copy(update=phase.loss)
    learner.rate, learner.noise = phase.rate, phase.noise
    for model in (learner.model, learner.ema):
        model.off = frozenset(phase.off)
    idle = {*phase.off, *phase.frozen}
    for block, parameters in learner.model.blocks().items():
        for parameter in parameters:
            parameter.requires_grad = block not in idle
