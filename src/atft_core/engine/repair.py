"""What is wrong with the files of a run, and what can be put right. The event log is the truth.

The study can be made again from the log. What the log itself has lost stays lost, and is said. Of
everything that is changed a copy is made first.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from atft_core.config.load import read_resolved
from atft_core.engine.rebuild import journal_of, rebuild, why_unusable
from atft_core.errors import AtftError, RunDirectoryError
from atft_core.run.directory import RunDirectory, refuse_shared
from atft_core.run.events import Stamped, decode
from atft_core.run.files import open_regular, remove_leftovers
from atft_core.run.foreign import clean
from atft_core.run.journal import cut_torn_line
from atft_core.run.kept import is_whole, kept_checkpoints
from atft_core.run.lock import EngineLock
from atft_core.run.snapshot import readable
from atft_core.run.state import State
from atft_core.run.status import evidence
from atft_core.run.wording import several

_NAMED = 3
"""Damaged lines that are named; of more the number is told."""


@dataclass(frozen=True)
class Repair:
    """One thing that was looked at."""

    what: str
    state: str
    """`ok`, `repaired`, `damaged` (it stays so), `to repair` (nothing was changed)."""
    said: str


def repair(run: RunDirectory, *, change: bool) -> list[Repair]:
    """Look at each file, and put right what can be; without `change` only look.

    RunBusyError while an engine is at work on it.
    """
    run.facts()
    refuse_shared(run.path)
    lock = EngineLock(run.lock, silent=True)
    try:
        return list(_Repairs(run, change=change).all())
    finally:
        lock.release()


class _Repairs:
    """A pass over a run; holds where its copies go."""

    def __init__(self, run: RunDirectory, *, change: bool) -> None:
        self.run, self.change = run, change
        self._copies = run.path / "repaired" / time.strftime("%Y%m%d-%H%M%S")

    def all(self) -> Iterator[Repair]:
        """In the order in which one needs the other."""
        yield self._row("event log", self._log)
        state = self._believed()
        if not state.written:  # else there is neither
            yield self._row("configuration", self._configuration)
            yield self._row("study", lambda: self._study(state))
        yield self._row("snapshot", self._snapshot)
        yield from self._checkpoints(state)
        yield from self._work_left(state)
        if self.change:
            remove_leftovers(self.run.path)

    def _row(self, what: str, look: Callable[[], Repair]) -> Repair:
        """There is one for each file, whatever stands in its place."""
        try:
            return look()
        except OSError as error:
            said = f"{error.strerror or error}: put it right, or out of the way, and look again"
            return Repair(what, "damaged", said)

    def _believed(self) -> State:
        """What the log says; nothing where it cannot be read."""
        try:
            return evidence(self.run)
        except OSError:
            return State()

    def _copied(self, path: Path) -> str:
        """Keep what is about to be changed; where it is then."""
        self._copies.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, self._copies / path.name, follow_symlinks=False)
        return f"; as it was: {(self._copies / path.name).relative_to(self.run.path)}"

    def _log(self) -> Repair:
        path, what = self.run.events, "event log"
        try:
            with open_regular(path) as file:
                data = file.read()
        except OSError as error:
            said = f"{error.strerror or error}: restore it from a copy, or start a new run"
            return Repair(what, "damaged", said)
        lines = data.split(b"\n")
        torn, lines = lines[-1], lines[:-1]
        bad = [n for n, line in enumerate(lines, 1) if _decoded(line) is None]
        if bad:
            named = ", ".join(map(str, bad[:_NAMED])) + (" ..." if len(bad) > _NAMED else "")
            said = f"{several(len(bad), 'line')} cannot be read ({named}): what they said is lost, "
            return Repair(what, "damaged", said + "and the run is no evidence for a gate")
        if odd := _misplaced([found.seq for line in lines if (found := _decoded(line))]):
            said = f"{several(odd, 'line')} missing, doubled or not where it belongs: "
            return Repair(what, "damaged", said + "the run may be no evidence for a gate")
        if not torn:
            return Repair(what, "ok", several(len(lines), "event"))
        said = f"its last line is half a line of {len(torn)} bytes"
        if not self.change:
            return Repair(what, "to repair", said)
        kept = self._copied(path)
        cut_torn_line(path)
        return Repair(what, "repaired", f"{said}, which was cut off{kept}")

    def _configuration(self) -> Repair:
        try:
            read_resolved(self.run.config)
        except (AtftError, OSError) as error:
            said = error.message if isinstance(error, AtftError) else str(error)
            return Repair("configuration", "damaged", f"{said} Put it back as it was.")
        return Repair("configuration", "ok", self.run.config.name)

    def _study(self, state: State) -> Repair:
        run, what = self.run, "study"
        why = "" if self._storage() else _looked_at(run.study, state)
        if not why:
            where = ", in a database that is not looked at" if self._storage() else ""
            return Repair(what, "ok", several(len(state.trials), "trial") + where)
        if state.lost and not _looked_at(run.study, State()):
            return Repair(what, "ok", f"{why}: the log has lost that, so the study is left alone")
        if not self.change:
            return Repair(what, "to repair", f"{why}; it can be made again from the event log")
        try:
            config = read_resolved(run.config)
            journal = journal_of(run.study)
            kept = "".join(self._copied(path) for path in (run.study, journal) if path.exists())
            rebuild(run, config, state)
            if still := why_unusable(run.study, state):
                return Repair(what, "damaged", f"{why}; made again, and still: {still}")
        except (AtftError, OSError) as error:
            said = error.message if isinstance(error, AtftError) else str(error)
            return Repair(what, "damaged", f"{why}; {said}")
        return Repair(what, "repaired", f"{why}: it was made again from the event log{kept}")

    def _storage(self) -> str:
        """Where the study is, if not in the run directory."""
        try:
            return read_resolved(self.run.config).engine.storage
        except (AtftError, OSError):  # told as its own row
            return ""

    def _snapshot(self) -> Repair:
        what, path = "snapshot", self.run.snapshot
        if not path.exists() or readable(self.run):
            return Repair(what, "ok", "of the state, for a faster start of the console")
        if not self.change:
            return Repair(what, "to repair", "it is damaged or of an older state; not needed")
        if path.is_dir():
            self._copies.mkdir(parents=True, exist_ok=True)
            path.rename(self._copies / path.name)
        else:
            path.unlink()
        return Repair(what, "repaired", "it was damaged or old, and removed: nobody needs it")

    def _checkpoints(self, state: State) -> Iterator[Repair]:
        """Of trials that would go on from one."""
        for number, trial in state.trials.items():
            if trial.ended:
                continue
            files = self.run.trial(number)
            kept = kept_checkpoints(files.checkpoints)
            bad = [each.epoch for each in kept if not is_whole(files.checkpoints, each.epoch)]
            what = f"trial {number}"
            if not bad:
                continue
            good = [each.epoch for each in kept if each.epoch not in bad]
            then = f"it goes on after epoch {max(good)}" if good else "it begins again"
            said = f"the checkpoint of epoch {max(bad)} is damaged; {then}"
            yield Repair(what, "damaged", said)

    def _work_left(self, state: State) -> Iterator[Repair]:
        running = [t.number for t in state.trials.values() if not t.ended]
        if running and state.end_state in ("", "STOPPED"):
            named = ", ".join(map(str, running[:_NAMED]))
            said = f"not ended; `atft resume {clean(str(self.run.path))}` goes on with it"
            yield Repair(f"trial {named}", "ok", said)


def _decoded(line: bytes) -> Stamped | None:
    return decode(line.decode(errors="replace"))


def _misplaced(seqs: list[int]) -> int:
    """How many numbers are missing, there twice, or before a smaller one."""
    known = set(seqs)
    missing = max(known, default=0) - len(known)
    turned = sum(earlier > later for earlier, later in pairwise(seqs))
    return missing + len(seqs) - len(known) + turned


def _looked_at(study: Path, state: State) -> str:
    """Why a study is unusable; a copy is looked at, since SQLite takes back half a commit."""
    for path in (study, journal_of(study)):
        if path.is_symlink():  # to a disk, or to something without an end
            return f"{path.name} is a link"
    if not study.exists():
        return why_unusable(study, state)
    with TemporaryDirectory(prefix="atft-repair-") as scratch:
        copy = Path(scratch) / study.name
        shutil.copyfile(study, copy)
        if journal_of(study).exists():
            shutil.copyfile(journal_of(study), journal_of(copy))
        return why_unusable(copy, state)


def refuse_hopeless(found: list[Repair], run: RunDirectory) -> None:
    """RunDirectoryError where something stays damaged that a run cannot go on without."""
    lost = [each for each in found if each.state == "damaged" and not each.what.startswith("trial")]
    if lost:
        raise RunDirectoryError(
            f"{run.path} cannot be repaired: {lost[0].what}: {lost[0].said}.",
            hint="What it found so far can be looked at: `atft status`, `atft-tui`.",
        )
