"""`python -m atft_core.bench step|feed ...`: a benchmark in an interpreter like a worker's.

The result is one JSON document on standard output; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import torch

from atft_core.bench.step import Sizes, bench_step


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m atft_core.bench")
    kinds = parser.add_subparsers(dest="kind", required=True)
    _options(kinds.add_parser("step"), Sizes)
    given = vars(parser.parse_args(argv))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    found = BENCHES[given.pop("kind")](given)
    print(json.dumps(found, indent=1, allow_nan=False))
    return 0


def _options(parser: argparse.ArgumentParser, sizes: type[Any]) -> None:
    """An option for each field."""
    for field in fields(sizes):
        default: Any = field.default
        many = isinstance(default, tuple)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(default[0]) if many else type(default),
            nargs="+" if many else None,
            default=default,
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


BENCHES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "step": lambda given: bench_step(Sizes(**given), _say),
}

if __name__ == "__main__":
    sys.exit(main())
