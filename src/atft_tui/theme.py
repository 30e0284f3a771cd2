"""Calm colours: one accent, and red only where something is wrong. Two more for other eyes.

Colour never says anything alone, so every theme is a matter of comfort.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.theme import Theme


@dataclass(frozen=True)
class Colours:
    """What a theme is made of."""

    text: str
    quiet: str
    ground: str
    raised: str
    border: str
    blue: str
    violet: str
    accent: str
    good: str
    warning: str
    bad: str


def _theme(name: str, of: Colours) -> Theme:
    return Theme(
        name=name,
        primary=of.blue,
        secondary=of.violet,
        accent=of.accent,
        success=of.good,
        warning=of.warning,
        error=of.bad,
        foreground=of.text,
        background=of.ground,
        surface=of.ground,
        panel=of.raised,
        dark=True,
        variables={
            "border": of.border,
            "text-muted": of.quiet,
            "text-success": of.good,
            "text-warning": of.warning,
            "text-error": of.bad,
            "text-accent": of.accent,
            "text-primary": of.blue,
            "text-secondary": of.violet,
            "scrollbar": of.border,
            "scrollbar-background": of.ground,
        },
    )


CALM = Colours(
    text="#c9d1d9", quiet="#7d8896", ground="#12161c", raised="#1b212a", border="#2f3945",
    blue="#7aa2c9", violet="#b48ead", accent="#8fbcbb", good="#9db98a", warning="#d8b26e",
    bad="#d98080",
)  # fmt: skip
CONTRAST = Colours(
    text="#ffffff", quiet="#c8c8c8", ground="#000000", raised="#303030", border="#a0a0a0",
    blue="#6cb6ff", violet="#e0b0ff", accent="#5ff0f0", good="#50f050", warning="#ffd75f",
    bad="#ff7070",
)  # fmt: skip
COLOUR_BLIND = Colours(  # Okabe and Ito (2008): apart for all common kinds of colour vision
    text="#c9d1d9", quiet="#8b949e", ground="#12161c", raised="#1b212a", border="#2f3945",
    blue="#56b4e9", violet="#cc79a7", accent="#f0e442", good="#56b4e9", warning="#e69f00",
    bad="#d55e00",
)  # fmt: skip

THEMES = (
    _theme("atft", CALM),
    _theme("atft-contrast", CONTRAST),
    _theme("atft-colour-blind", COLOUR_BLIND),
)


def after(name: str) -> str:
    """The next of our themes; the first after one of somebody else's."""
    names = [theme.name for theme in THEMES]
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]
