"""The step on a block of days against the same model on its windows one by one.

Shapes: T = L+B-1 days, B prediction days, N stocks, F features, L lookback, H horizons.

Both do the same work for the same gradients. The windows are given to the model one at a time, as
a model that normalises each window by itself has to take them; forward and backward, and
the gradients add up. The block has its statistics kept, as in every epoch but the first ("first"
says what it is without).

The parts that share most are measured first: attention over encoded days, and the graph as messages
of every day. The shipped model has less to share, as it encodes a stock in full on its prediction
days only: its step is faster, its ratio smaller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from atft_core.bench.machine import machine
from atft_core.bench.ranks import rank_losses
from atft_core.bench.timing import Paired, paired, seconds
from atft_core.config.schema import ModelConfig
from atft_core.model.atft import ATFT, Stocks

_WHOLE = ModelConfig(
    attend="encoded", encoder_depth=2, fan=True, san=True, messages=("neighbours", "sector")
)
PARTS = {
    "encoder+temporal": _WHOLE.model_copy(update={"kernel": False, "graph": False}),
    "model": _WHOLE,
    "model with graph attention": _WHOLE.model_copy(update={"layers": 1}),
    "shipped model": ModelConfig(),
}
"""What is measured, by name; without the graph only the part that windows share."""
MARKET, HORIZONS, NEIGHBOURS, SECTORS = 6, 4, 8, 11
VALID_SHARE = 0.9
SMALL = 64
"""Stocks on which errors are measured."""


@dataclass(frozen=True)
class StepSizes:
    """What is measured."""

    stocks: int = 1000
    features: int = 64
    lookback: int = 60
    hidden: int = 128
    blocks: tuple[int, ...] = (16, 32)
    eval_days: int = 128
    pairs: int = 5


BlockInputs = tuple[Tensor, Tensor, Tensor, Tensor]
"""x_TNF, market_TM, valid_TN, neighbours_TNK"""


def bench_step(sizes: StepSizes, say: Callable[[str], None]) -> dict[str, Any]:
    """All comparisons, as JSON."""
    found: dict[str, Any] = {"machine": machine(), "sizes": vars(sizes)}
    found["block"] = list(_blocks(sizes, say))
    found["shares"] = shares(sizes, sizes.blocks[0])
    say("errors in float64")
    found |= errors(sizes)
    found["rank_loss"] = rank_losses(sizes.pairs, say)
    return found


def _blocks(sizes: StepSizes, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    for name, config in PARTS.items():
        model = build(sizes, config)
        part: nn.Module = model if config.graph else Histories(model)
        for days in sizes.blocks:
            say(f"{name}, B = {days}")
            inputs = example(sizes, days)
            for kept in (True, False):
                kind = name if kept else f"{name}, first epoch"
                ours = _step(part, inputs, _statistics(model, inputs) if kept else None)
                pair = paired(_steps_one_by_one(part, inputs, sizes), ours, sizes.pairs)
                yield _row(sizes, days, kind, config, pair)
        say(f"{name}, validation")
        inputs = example(sizes, sizes.eval_days)
        scoring = _scoring(part.eval(), inputs, _statistics(model, inputs))
        pair = paired(_scoring_one_by_one(part, inputs, sizes), scoring, sizes.pairs)
        yield _row(sizes, sizes.eval_days, f"{name}, validation", config, pair)


def _row(
    sizes: StepSizes, days: int, part: str, config: ModelConfig, pair: Paired
) -> dict[str, Any]:
    lookback = sizes.lookback
    return {
        "B": days,
        "part": part,
        "graph": config.graph,
        "ratio": round(pair.ratio, 2),
        "spread": [round(each, 2) for each in pair.spread],
        "ideal": round(days * lookback / (lookback + days - 1), 2),
        "N": sizes.stocks,
        "F": sizes.features,
        "L": lookback,
        "hidden": sizes.hidden,
        "dtype": "float32",
    }


class Histories(nn.Module):
    """The part that windows share: selection, encoder, statistics and attention over time."""

    def __init__(self, model: ATFT) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        x_TNF: Tensor,
        market_TM: Tensor,
        valid_TN: Tensor,
        neighbours_TNK: Tensor,
        statistics_BNX: Tensor | None = None,
    ) -> Tensor:
        """Tokens [B, N, D]."""
        x_TNF = torch.where(valid_TN[..., None], x_TNF, 0.0)
        return self.model.encode_histories(
            x_TNF, market_TM, valid_TN, neighbours_TNK, statistics_BNX
        )


def build(sizes: StepSizes, config: ModelConfig, dtype: torch.dtype = torch.float32) -> ATFT:
    """A model with something on every path and without dropout, so that both ways are equal."""
    torch.manual_seed(0)
    sized = {"hidden": sizes.hidden, "lookback": sizes.lookback}
    model = ATFT(
        config.model_copy(update={**sized, "dropout": 0.0, "graph_dropout": 0.0}),
        groups=[f"g{i % 8}" for i in range(sizes.features)],
        market_error_M=torch.zeros(MARKET),
        n_horizons=HORIZONS,
        stocks=Stocks(
            sector_N=torch.arange(sizes.stocks) % SECTORS,
            edges_NE=torch.empty(sizes.stocks, 0),
            weights_NE=torch.empty(sizes.stocks, 0),
            neighbours=NEIGHBOURS,
        ),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.to(dtype)


def example(sizes: StepSizes, days: int, dtype: torch.dtype = torch.float32) -> BlockInputs:
    """A block of random numbers."""
    random = torch.Generator().manual_seed(days)
    total, stocks = sizes.lookback + days - 1, sizes.stocks
    shape = (total, stocks, NEIGHBOURS)
    return (
        torch.randn(total, stocks, sizes.features, generator=random, dtype=dtype),
        torch.randn(total, MARKET, generator=random, dtype=dtype),
        torch.rand(total, stocks, generator=random) < VALID_SHARE,
        torch.randint(-1, stocks, shape, generator=random),
    )


def windows(inputs: BlockInputs, lookback: int) -> Iterator[BlockInputs]:
    """The block's windows, one prediction day each."""
    x_TNF, market_TM, valid_TN, neighbours_TNK = inputs
    for day in range(len(x_TNF) - lookback + 1):
        seen = slice(day, day + lookback)
        yield x_TNF[seen], market_TM[seen], valid_TN[seen], neighbours_TNK[seen]


def _statistics(model: ATFT, inputs: BlockInputs) -> Tensor:
    with torch.no_grad():
        return model.window_statistics(inputs[0], inputs[2])


def _step(
    part: nn.Module, inputs: BlockInputs, statistics_BNX: Tensor | None
) -> Callable[[], Tensor]:
    def run() -> Tensor:
        part.zero_grad()
        out: Tensor = part(*inputs, statistics_BNX)
        out.square().sum().backward()  # type: ignore[no-untyped-call]
        return out.detach()

    return run


def _steps_one_by_one(
    part: nn.Module, inputs: BlockInputs, sizes: StepSizes
) -> Callable[[], Tensor]:
    def run() -> Tensor:
        part.zero_grad()
        outs = []
        for window in windows(inputs, sizes.lookback):
            out = part(*window)
            out.square().sum().backward()
            outs.append(out.detach())
        return torch.cat(outs)

    return run


def _scoring(part: nn.Module, inputs: BlockInputs, statistics_BNX: Tensor) -> Callable[[], Tensor]:
    @torch.inference_mode()
    def run() -> Tensor:
        out: Tensor = part(*inputs, statistics_BNX)
        return out

    return run


def _scoring_one_by_one(
    part: nn.Module, inputs: BlockInputs, sizes: StepSizes
) -> Callable[[], Tensor]:
    @torch.inference_mode()
    def run() -> Tensor:
        return torch.cat([part(*window) for window in windows(inputs, sizes.lookback)])

    return run


def errors(sizes: StepSizes, device: str = "cpu") -> dict[str, float]:
    """Largest difference of outputs (float32) and, relative to them, of gradients (float64)."""
    small = replace(sizes, stocks=SMALL)
    outputs = _both_ways(small, torch.float32, device)[0]
    gradients = _both_ways(small, torch.float64, device)[1]
    largest = max(float(ours.abs().max()) for ours, _ in gradients)
    return {
        "max_output_error": float((outputs[0] - outputs[1]).abs().max()),
        "max_gradient_error": max(float((a - b).abs().max()) for a, b in gradients) / largest,
    }


Pair = tuple[Tensor, Tensor]


def _both_ways(sizes: StepSizes, dtype: torch.dtype, device: str) -> tuple[Pair, list[Pair]]:
    """Outputs and gradients of the block, each beside that of its windows."""
    model = build(sizes, PARTS["model with graph attention"], dtype).to(device)
    x_TNF, market_TM, valid_TN, neighbours_TNK = example(sizes, sizes.blocks[0], dtype)
    inputs = (x_TNF.to(device), market_TM.to(device), valid_TN.to(device),
              neighbours_TNK.to(device))  # fmt: skip
    ours = _step(model, inputs, None)()
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    theirs = _steps_one_by_one(model, inputs, sizes)()
    again = [p.grad for p in model.parameters() if p.grad is not None]
    return (ours, theirs), list(zip(grads, again, strict=True))


def shares(sizes: StepSizes, days: int) -> dict[str, float]:
    """Share of each part's forward pass in a step of the whole model, statistics included."""
    model, inputs = build(sizes, PARTS["model"]), example(sizes, days)
    spent: dict[str, float] = {}
    parts = {name: part for name, part in model.named_children() if name not in ("join", "own")}
    parts |= {f"history.{name}": part for name, part in parts.pop("history").named_children()}
    for name, part in parts.items():
        part.register_forward_pre_hook(_start(spent, name))
        part.register_forward_hook(_stop(spent, name))
    run = _step(model, inputs, None)
    run()
    spent.clear()
    total = sum(seconds(run) for _ in range(sizes.pairs))
    forward = {name: round(spent[name] / total, 3) for name in parts}
    return {**forward, "backward and the rest": round(1 - sum(forward.values()), 3)}


def _start(spent: dict[str, float], name: str) -> Callable[..., None]:
    def hook(*_: object) -> None:
        spent[name] = spent.get(name, 0.0) - time.perf_counter()

    return hook


def _stop(spent: dict[str, float], name: str) -> Callable[..., None]:
    def hook(*_: object) -> None:
        spent[name] += time.perf_counter()

    return hook
