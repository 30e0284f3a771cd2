"""`python -m atft_core.bench feed|step|console|engine ...`: measured in a process of its own.

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

from atft_core.bench.console import ConsoleSizes, bench_console
from atft_core.bench.engine import EngineSizes, bench_engine
from atft_core.bench.feed import FeedSizes, bench_feed
from atft_core.bench.step import StepSizes, bench_step
from atft_core.errors import AtftError


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    kind, *options = sys.argv[1:] if argv is None else argv
    sizes, bench = BENCHES[kind]
    parser = argparse.ArgumentParser(
        prog=f"atft bench {kind}", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", help="a file to keep the result in")  # taken by the command
    parser.add_argument("--json", action="store_true", help="print JSON")
    _options(parser, sizes)
    given = vars(parser.parse_args(options))
    del given["out"], given["json"]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        found = bench(sizes(**_tuples(given)), _say)
    except AtftError as error:
        _say(f"{error}")
        return error.exit_code
    print(json.dumps(found, indent=1, allow_nan=False))
    return 0


def _options(parser: argparse.ArgumentParser, sizes: type[Any]) -> None:
    """An option for each field."""
    for field in fields(sizes):
        default: Any = field.default
        many = isinstance(default, tuple)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=_positive(type(default[0] if many else default)),
            metavar="N",
            help=f"{field.name.replace('_', ' ')}",
            nargs="+" if many else None,
            default=default,
        )


def _positive(kind: type[Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


BENCHES: dict[str, tuple[type[Any], Callable[..., dict[str, Any]]]] = {
    "feed": (FeedSizes, bench_feed),
    "step": (StepSizes, bench_step),
    "console": (ConsoleSizes, bench_console),
    "engine": (EngineSizes, bench_engine),
}
"""What can be measured, and in which sizes."""

if __name__ == "__main__":
    sys.exit(main())
