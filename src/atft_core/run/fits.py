"""Whether what JSON holds is of the types that a dataclass wants: what others wrote is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Fits = Callable[[Any], bool]


def _fits(hint: Any) -> Fits:
    """The question whether a JSON value is of the type that a field wants.

    Made once per field: a night's log has a million of them.
    """
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (UnionType, Union):  # the second name is that of Python 3.14
        choices = [_fits(each) for each in inner]
        return lambda value: any(fits(value) for fits in choices)
    if kind is Literal:
        return lambda value: value in inner
    if kind in (int, float):  # True is a number to Python, and a whole one counts as a float
        return lambda value: isinstance(value, (int, kind)) and not isinstance(value, bool)
    return _container(kind, inner) if inner else _plain(kind)


def _plain(kind: Any) -> Fits:
    """Of a type that has no members; a dataclass is a dict whose rows are looked at one by one."""
    if kind is Any:
        return lambda value: True
    as_json = str if kind is Path else dict if is_dataclass(kind) else kind
    return lambda value: isinstance(value, as_json)


def _container(kind: Any, inner: tuple[Any, ...]) -> Fits:
    """Of a dict or a list; JSON makes lists of tuples."""
    kinds = (list, tuple) if kind is tuple else kind
    hint = inner[0] if kind is tuple else inner[-1]
    if hint is Any:
        return lambda value: isinstance(value, kinds)
    member = _fits(hint)
    if kind is dict:
        return lambda value: isinstance(value, dict) and all(map(member, value.values()))
    return lambda value: isinstance(value, kinds) and all(map(member, value))


def fitting(cls: type[Any]) -> dict[str, Fits]:
    """The question for each field of a dataclass."""
    hints = get_type_hints(cls)
    return {f.name: _fits(hints[f.name]) for f in fields(cls)}
