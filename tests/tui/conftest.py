"""Where a console is opened."""

from tui_places import book, finished, home, live

__all__ = ["book", "finished", "home", "live"]
