"""Which cards a CUDA process sees, and by which names it can be given one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

VARIABLE = "CUDA_VISIBLE_DEVICES"


class Card(Protocol):
    """What NVML says of a card."""

    @property
    def index(self) -> int:
        """NVML's number."""

    @property
    def uuid(self) -> str:
        """Its name all over the world."""


def names(cards: Sequence[Card], environ: Mapping[str, str]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES can be set to for a process on one card; empty where there is none.

    CUDA takes the variable up to the first name that it does not know.
    """
    given = environ.get(VARIABLE)
    if given is None:
        return [card.uuid for card in cards]
    found = []
    for name in map(str.strip, given.split(",")):
        if not name or name.startswith("-"):
            break
        found.append(name)
    return found


def card_of(cards: Sequence[Card], name: str) -> int | None:
    """NVML's number of the card of that name; None where it is not known (MIG, another machine).

    Numbers are taken as NVML's own; on a box with unlike cards that needs
    CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    for card in cards:
        if name == str(card.index) or (name.startswith("GPU-") and card.uuid.startswith(name)):
            return card.index
    return None


def first_visible(cards: Sequence[Card], environ: Mapping[str, str]) -> int | None:
    """The card that a CUDA process with this environment uses first; None where it sees none."""
    return card_of(cards, (names(cards, environ) or [""])[0])
