"""A time in a log, as a person types it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

HOW = "HH:MM[:SS] or YYYY-MM-DD HH:MM[:SS]"
_TYPED = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d?\d):(\d\d)(?::(\d\d))?")


@dataclass(frozen=True)
class Moment:
    """A time of day, and a day or none."""

    day: str
    time: str

    def stamp(self, last: str) -> str:
        """As the lines of a log have it; without a day the newest such time up to the last line."""
        day = self.day or last[:10]
        if not self.day and self.time > last[11:]:
            with suppress(ValueError):  # the last line has no date, or one that is none
                day = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        return f"{day} {self.time}"


def parse_moment(text: str) -> Moment:
    """What was typed; ValueError says how a time is written."""
    found = _TYPED.fullmatch(text.strip())
    if not found or int(found[2]) > 23 or int(found[3]) > 59 or int(found[4] or 0) > 59:
        raise ValueError(f"a time is {HOW}")
    if found[1]:
        date.fromisoformat(found[1])
    seconds = f":{found[4]}" if found[4] else ""
    return Moment(found[1] or "", f"{int(found[2]):02}:{found[3]}{seconds}")
