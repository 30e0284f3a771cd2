"""How far the person has seen each run, so that coming back starts with what is new."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from atft_core.run import user
from atft_core.run.directory import RunDirectory, created
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_core.run.foreign import clean
from atft_core.run.moments import Moment
from atft_core.run.timeline import Timeline
from atft_core.run.wording import finite, ratio, several
from atft_tui.view import News, View

_RUNS = 50
"""Runs remembered; the longest unseen are forgotten."""
_NAMED = 4
"""Trials that are named; of more their number is said."""


@dataclass(frozen=True)
class Left:
    """What was on the screen when somebody left."""

    seq: int
    t: float
    made: float = 0.0
    """When the run was made: another one may have its place by now."""
    status: str = ""
    verdict: str = ""


def store() -> Path:
    """The file in the user's state directory."""
    return user.state() / "seen.json"


def _load() -> Json:
    with suppress(OSError):
        value = read_json(store())
        if isinstance(value, dict):
            return value
    return {}


def _key(run: RunDirectory) -> str:
    """The run's true path; as it is called where links lead round in circles."""
    try:
        return str(run.path.resolve())
    except (OSError, RuntimeError):
        return str(run.path.absolute())


def places() -> list[Path]:
    """Runs that were looked at, the newest look first; some may be gone."""
    known = sorted(_load().items(), key=lambda item: -_when(item[1]))
    return [Path(path) for path, _ in known if not user.unwritable(path)]


def remember(view: View) -> None:
    """Note that everything in it was on the screen; a home that cannot be written is fine."""
    if view.run is None:
        return
    left = Left(
        view.state.seq,
        time.time(),
        created(view.run) or 0.0,
        view.status.name if view.status else "",
        view.diagnosis.word if view.diagnosis else "",
    )
    known = _load() | {_key(view.run): asdict(left)}
    newest = sorted(known.items(), key=lambda item: -_when(item[1]))[:_RUNS]
    with suppress(OSError):
        store().parent.mkdir(parents=True, exist_ok=True)
        write_json(store(), dict(newest), durable=False)


def _when(value: object) -> float:
    return finite(value.get("t")) or 0.0 if isinstance(value, dict) else 0.0


def left(run: RunDirectory) -> Left | None:
    """What this person saw last of a run; None when they never did."""
    known = _load().get(_key(run))
    if not isinstance(known, dict):
        return None
    seq, t, made = known.get("seq"), finite(known.get("t")), finite(known.get("made"))
    if not isinstance(seq, int) or t is None or (made or 0.0) != (created(run) or 0.0):
        return None
    status, verdict = (clean(str(known.get(key) or ""), 40) for key in ("status", "verdict"))
    return Left(seq, t, made or 0.0, status, verdict)


def news(before: Left, timeline: Timeline, now: View) -> News | None:
    """What happened between two pictures, the most important first; None when nothing did."""
    moments = [moment for moment in timeline.moments if moment.seq > before.seq]
    status, verdict = (now.status.name if now.status else ""), now.diagnosis
    said = []
    if status != before.status and before.status:
        said.append(f"the run is {status}")
    said += _trials(moments)
    if not now.state.walks:
        said += _best(before.seq, timeline.bests)
    if verdict and before.verdict not in ("", verdict.word) and verdict.word != status:
        said.append(f"verdict {before.verdict} -> {verdict.word}")
    said += _counted(moments, "alert", "alert")
    said += [f"{count} lost" for count in _counted(moments, "lost", "worker")]
    said += _requests([moment for moment in moments if moment.kind == "request"])
    said += _counted(moments, "decision", "decision")
    return News(tuple(said), before.seq, time.time() - before.t) if said else None


def _trials(moments: Sequence[Moment]) -> list[str]:
    """Which ended, and which of them failed."""
    ended = {m.trial: m.sign for m in moments if m.kind == "ended"}
    failed = [number for number, sign in ended.items() if sign == "FAIL"]
    if not ended:
        return []
    if len(failed) == len(ended):
        return [f"{_named(failed)} failed"]
    lost = f" ({len(failed)} failed: {_numbers(failed)})" if failed else ""
    return [f"{_named(list(ended))} ended{lost}"]


def _named(numbers: Sequence[int | None]) -> str:
    if len(numbers) > _NAMED:
        return several(len(numbers), "trial")
    return f"trial{'s' * (len(numbers) > 1)} {_numbers(numbers)}"


def _numbers(numbers: Sequence[int | None]) -> str:
    more = ", ..." if len(numbers) > _NAMED else ""
    return ", ".join(map(str, numbers[:_NAMED])) + more


def _best(seq: int, bests: Sequence[tuple[int, int, float]]) -> list[str]:
    """The value of the best trial, before and after."""
    if not bests or bests[-1][0] <= seq:
        return []
    old = next((value for at, _, value in reversed(bests) if at <= seq), None)
    return [f"best {f'{ratio(old)} -> ' if old is not None else ''}{ratio(bests[-1][2])}"]


def _counted(moments: Sequence[Moment], kind: str, noun: str) -> list[str]:
    count = sum(moment.kind == kind for moment in moments)
    return [several(count, noun)] if count else []


def _requests(asked: Sequence[Moment]) -> list[str]:
    """One in its own words, several by how they were answered."""
    if len(asked) == 1:
        return [asked[0].text.partition(":")[0]]
    refused = sum(moment.sign == "FAIL" for moment in asked)
    tail = f" ({refused} refused)" if refused else ""
    return [f"{several(len(asked), 'request')}{tail}"] if asked else []
