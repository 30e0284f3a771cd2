"""Calm colours: one accent, and red only where something is wrong."""

from __future__ import annotations

from textual.theme import Theme

THEME = Theme(
    name="atft",
    primary="#7aa2c9",
    secondary="#b48ead",
    accent="#8fbcbb",
    success="#9db98a",
    warning="#d8b26e",
    error="#d07a7a",
    foreground="#c9d1d9",
    background="#12161c",
    surface="#12161c",
    panel="#1b212a",
    dark=True,
    variables={
        "border": "#2f3945",
        "text-muted": "#7d8896",
        "text-success": "#9db98a",
        "text-warning": "#d8b26e",
        "text-error": "#d98080",
        "text-accent": "#8fbcbb",
        "text-primary": "#7aa2c9",
        "text-secondary": "#b48ead",
        "scrollbar": "#2f3945",
        "scrollbar-background": "#12161c",
    },
)
