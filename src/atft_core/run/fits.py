"""Whether what JSON holds is of the types that a dataclass wants: what others wrote may not be."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_PLAIN = (str, int, float, bool, type(None), list, dict)
NUMBERS = frozenset((int, float))
MOST = 1e18
"""Beyond it a number is none that a run can have: a whole one of 600 digits ends whatever formats
it. NaN and infinity do not fit, either.
"""


class Fits(NamedTuple):
    """What JSON value a field wants: its type, and what its members have to be."""

    types: frozenset[type]
    members: Fits | None = None


_KNOWN: dict[type[Any], dict[str, Fits]] = {}


def fitting(cls: type[Any]) -> dict[str, Fits]:
    """What each field of a dataclass wants. Made once: a night's log has a million of them."""
    known = _KNOWN.get(cls)
    if known is None:
        hints = get_type_hints(cls)
        known = _KNOWN[cls] = {f.name: _fits(hints[f.name]) for f in fields(cls)}
    return known


def fits(value: Any, wanted: Fits) -> bool:
    """Whether a value is what a field wants."""
    kind, (types, members) = type(value), wanted
    if kind not in types:
        return False
    if kind in NUMBERS:
        return bool(-MOST < value < MOST)
    if members is None or not value:
        return True
    inner = value.values() if kind is dict else value
    return all(fits(member, members) for member in inner)


def misfit(raw: dict[str, Any], wanted: dict[str, Fits], but: Container[str] = ()) -> str:
    """The first key whose value is not what its field wants, leaving out some; else nothing."""
    for key, value in raw.items():
        # What `fits` asks first, without a call for each of a million fields.
        kind, (types, members) = type(value), wanted[key]
        good = kind in types and (kind not in NUMBERS or -MOST < value < MOST)
        if (not good or (members is not None and value and not fits(value, wanted[key]))) and (
            key not in but
        ):
            return key
    return ""


def made(cls: type[T], raw: dict[str, Any], **own: Any) -> T:
    """A dataclass of what JSON holds, with some fields made already; ValueError for other types."""
    if key := misfit(raw, fitting(cls), own):
        raise ValueError(f"{cls.__name__}.{key} cannot be {raw[key]!r:.60}")
    return cls(**{**raw, **own})


def _fits(hint: Any) -> Fits:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return Fits(frozenset(_PLAIN))
    if kind in (UnionType, Union):  # the second name is that of Python 3.14
        choices = [_fits(each) for each in inner]
        members = next((each.members for each in choices if each.members), None)
        return Fits(frozenset().union(*(each.types for each in choices)), members)
    if kind is Literal:
        return Fits(frozenset(type(each) for each in inner))
    member = inner[0] if kind is tuple else inner[-1] if inner else Any
    return Fits(_types(kind), None if member is Any else _fits(member))


def _types(kind: Any) -> frozenset[type]:
    """As JSON has them: 1 may be written for 1.0, a tuple is a list, a dataclass a dict."""
    if kind is float:
        return frozenset((int, float))
    if kind is tuple:
        return frozenset((list, tuple))
    if kind is Path:
        return frozenset((str,))
    return frozenset((dict if is_dataclass(kind) else kind,))
