"""The machines of a cluster, by names that people can tell apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from atft_core.engine.slots import Node

LOOK_SECONDS = 1.0
"""Between two looks."""
Row: TypeAlias = Mapping[str, Any]
"""What `ray.nodes()` says of one."""


def node_of(row: Row, name: str, why: str = "") -> Node:
    """A machine and what it offers. `why`: what stands against it."""
    has = row["Resources"]
    return Node(name, float(has.get("GPU", 0)), float(has.get("CPU", 0)), bool(row["Alive"]), why)


class Nodes:
    """All that were seen. One that comes back has its old name, and a new number for Ray."""

    def __init__(
        self,
        rows: Callable[[], Sequence[Row]],
        whys: Callable[[Sequence[Row]], Mapping[str, str]],
    ) -> None:
        """`rows`: as Ray has them; `whys`: what stands against each of those that are known."""
        self._rows, self._whys = rows, whys
        self.not_to_use: tuple[str, ...] = ()
        """Ray's numbers of those that something stands against, as of the last look."""
        self._names: dict[str, str] = {}
        """By Ray's number."""
        self._known: dict[str, Node] = {}
        """By name, as of the last look."""
        self._looked: float | None = None

    @property
    def seen(self) -> tuple[Node, ...]:
        """As of a second ago at most."""
        if self._looked is None or time.monotonic() - self._looked >= LOOK_SECONDS:
            self.look()
        return tuple(self._known.values())

    def name(self, number: str) -> str:
        """Of the node that Ray calls so."""
        if number not in self._names:
            self.look()
        return self._names.get(number, number[:8])

    def silent(self) -> list[str]:
        """The hosts of nodes that are alive and have not said what they see."""
        rows = [row for row in self._rows() if row["Alive"]]
        whys = self._whys(rows)
        return [str(row["NodeManagerHostname"]) for row in rows if row["NodeID"] not in whys]

    def look(self) -> None:
        """Now."""
        self._looked = time.monotonic()
        rows = sorted(self._rows(), key=lambda row: bool(row["Alive"]))  # a name goes to the living
        whys = self._whys(rows)
        self.not_to_use = tuple(sorted(number for number, why in whys.items() if why))
        for row in rows:
            if row["Alive"] and row["NodeID"] not in whys:
                continue  # it is there once it has been looked at
            name = self._names.setdefault(row["NodeID"], "") or self._named(row)
            self._names[row["NodeID"]] = name
            node = node_of(row, name, whys.get(row["NodeID"], ""))
            before = self._known.get(name)
            if node.alive or before is None or self._owner(name) == row["NodeID"]:
                self._known[name] = node

    def _named(self, row: Row) -> str:
        """Its host's name; with a number where another one of that host is alive."""
        given, address = str(row["NodeName"]), str(row["NodeManagerAddress"])
        host = given if given != address else str(row["NodeManagerHostname"]) or address
        name, count = host, 1
        while name in self._known and self._known[name].alive:
            count += 1
            name = f"{host}-{count}"
        return name

    def _owner(self, name: str) -> str:
        """Ray's newest number for it."""
        return [number for number, known in self._names.items() if known == name][-1]
