"""The same places as for tests/tui; here the console is a process on a terminal of its own."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tui"))

from tui_places import book, finished, home, live

__all__ = ["book", "finished", "home", "live"]
