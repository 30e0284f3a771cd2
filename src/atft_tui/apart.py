"""Paths in few cells, so that two that end alike are still told apart."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise, takewhile

from rich.cells import cell_len

from atft_tui.format import cut, cut_left


def shared_ends(paths: Collection[str]) -> dict[str, int]:
    """By path, how many characters of its end another one has, too: whole names, with their /."""
    found = dict.fromkeys(paths, 0)
    # Those that have the most names at the end in common come beside each other.
    turned = sorted((path.split("/")[::-1], path) for path in found)
    for (one, first), (other, second) in pairwise(turned):
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
        shared = sum(len(name) + 1 for name, _ in alike)
        for path in (first, second):
            found[path] = max(found[path], shared)
    return found


def cut_apart(path: str, width: int, shared: int) -> str:
    """`path` in at most `width` cells, with its end and the name that its twin does not have.

    Of `shared` characters at the end a middle is left out where there is no room for all of them.
    """
    own, end = path[: max(0, len(path) - shared)], path[max(0, len(path) - shared) :]
    if cell_len(path) <= width or not own or cell_len(end) < width - 1:
        return cut_left(path, width)
    half = width // 2
    name = own.rpartition("/")[2]
    kept = cut_left(own, half) if cell_len(name) < half else _cut_middle(name, half)
    return kept + cut_left(end, width - cell_len(kept))


def _cut_middle(name: str, width: int) -> str:
    """Its begin and its end: names differ at either."""
    begin = cut(name, width // 2 + 1)
    return begin + cut_left(name, width - cell_len(begin) + 1).removeprefix("…")
