"""How far the person has seen each run, so that coming back starts with what is new."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from atft_core.run import user
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_core.run.fold import fold
from atft_core.run.journal import read_events
from atft_core.run.state import ENDED, State
from atft_core.run.wording import duration, finite, ratio, several

_RUNS = 50
"""Runs remembered; the longest unseen are forgotten."""
_MAX_LOG = 32 << 20
"""Bytes of an event log above which the past is not folded again only for one line."""


def store() -> Path:
    """The file in the user's state directory."""
    return user.state() / "seen.json"


def _load() -> Json:
    with suppress(OSError):
        value = read_json(store())
        if isinstance(value, dict):
            return value
    return {}


def places() -> list[Path]:
    """Runs that were looked at, the newest look first; some may be gone."""
    known = ((each.get("t"), path) for path, each in _load().items() if isinstance(each, dict))
    return [Path(path) for _, path in sorted(known, key=lambda k: -(finite(k[0]) or 0.0))]


def remember(run: RunDirectory, state: State) -> None:
    """Note that everything up to now was on the screen; a home that cannot be written is fine."""
    known = _load()
    known[str(run.path.resolve())] = {"seq": state.seq, "t": time.time()}
    newest = sorted(known.items(), key=lambda item: -float(item[1].get("t", 0)))[:_RUNS]
    with suppress(OSError):
        store().parent.mkdir(parents=True, exist_ok=True)
        write_json(store(), dict(newest), durable=False)


def since(run: RunDirectory, state: State) -> str:
    """`since you left (2h13): ...`, or nothing when nothing happened."""
    known = _load().get(str(run.path.resolve()))
    if not isinstance(known, dict):
        return ""
    seq, left = known.get("seq"), known.get("t")
    if not isinstance(seq, int) or not isinstance(left, int | float) or state.seq <= seq:
        return ""
    if run.events.stat().st_size > _MAX_LOG:
        return ""
    before = fold(stamped for stamped in read_events(run.events) if stamped.seq <= seq)
    news = news_between(before, state)
    return f"since you left ({duration(time.time() - left)}): {'; '.join(news)}" if news else ""


def news_between(before: State, after: State) -> list[str]:
    """What a person who saw `before` wants to know about `after`."""
    news = []
    ended = [n for n, t in after.trials.items() if t.state in ENDED and not _ended(before, n)]
    if ended:
        numbers = ", ".join(map(str, ended))
        news.append(f"trial{'s' * (len(ended) > 1)} {numbers} ended")
    new, old = after.best, before.best
    if new is not None and (old is None or new.value != old.value):
        news.append(f"best {ratio(old.value) + ' -> ' if old else ''}{ratio(new.value)}")
    alerts = sum(alert.level != "info" for alert in after.alerts[len(before.alerts) :])
    if alerts:
        news.append(several(alerts, "alert"))
    if after.end_state and not before.end_state:
        news.append(f"the run is {after.end_state}")
    return news


def _ended(state: State, number: int) -> bool:
    return number in state.trials and state.trials[number].state in ENDED
