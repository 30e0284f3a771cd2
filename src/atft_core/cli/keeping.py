"""Notes, tags, archive and deletion: what people say about runs, and how runs go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atft_core.cli.output import confirm, print_json, say
from atft_core.errors import UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.listing import Listed, disk_use, listed
from atft_core.run.notes import Note, read_notes, write_archived, write_note, write_tags
from atft_core.run.removal import delete as remove
from atft_core.run.removal import opened_by, refuse_active, refuse_deletion
from atft_core.run.status import load
from atft_core.run.wording import metric_name, ratio, several, size


def note(run_dir: Path, text: str, trial: int | None, *, as_json: bool) -> None:
    """Put a note on a run or a trial."""
    run = _about(run_dir, trial)
    write_note(run, text, trial)
    _show(run, trial, as_json=as_json)


def tag(run_dir: Path, words: Sequence[str], trial: int | None, *, as_json: bool) -> None:
    """Change the tags of a run or a trial: +TAG (or TAG) adds, -TAG takes away."""
    run = _about(run_dir, trial)
    wanted = {word.removeprefix("+").removeprefix("-"): word[:1] != "-" for word in words}
    add = [name for name, there in wanted.items() if there]
    write_tags(run, add, wanted.keys() - add, trial)
    _show(run, trial, as_json=as_json)


def _about(run_dir: Path, trial: int | None) -> RunDirectory:
    run = RunDirectory(run_dir.absolute())
    run.facts()
    if trial is not None and trial not in load(run).trials:
        raise UsageError(f"{run_dir} has no trial {trial}.")
    return run


def _show(run: RunDirectory, trial: int | None, *, as_json: bool) -> None:
    """How the note and the tags are now."""
    now = read_notes(run).of(trial)
    if as_json:
        print_json({"run_dir": str(run.path), "trial": trial, **note_json(now)})
        return
    about = run.path if trial is None else f"{run.path} trial {trial}"
    say(f"{about}: {now.line or 'no note, no tags'}")


def note_json(note: Note) -> Json:
    """A note as `--json` shows it."""
    return {"note": note.text, "tags": list(note.tags), "note_by": note.user or None,
            "note_time": note.t or None}  # fmt: skip


def archive(run_dirs: Sequence[Path], *, archived: bool, as_json: bool) -> None:
    """Put runs away or take them out again: all of them, or none where one is refused."""
    runs = [RunDirectory(path.absolute()) for path in run_dirs]
    for run in runs:
        run.facts()
        if archived:
            refuse_active(run, "archived")
    for run in runs:
        write_archived(run, archived=archived)
    if as_json:
        print_json({"archived": archived, "runs": [str(run.path) for run in runs]})
        return
    for run in runs:
        said = "archived; `atft status --all` lists it" if archived else "no longer archived"
        say(f"{run.path}: {said}")


def delete(run_dir: Path, *, confirmed: bool, as_json: bool) -> None:
    """Delete a run after saying what is lost."""
    run = RunDirectory(run_dir.absolute())
    refuse_deletion(run)
    freed, opened = disk_use(run.path), opened_by(run)
    if not confirmed:
        confirm(
            f"{_lost(listed(run), freed, opened)}\nDelete {run.path} for good?",
            refusal="Deleting a run needs a confirmation",
            hint="Add --yes. Nothing brings it back.",
            declined="Not deleted.",
        )
    remove(run)
    if as_json:
        print_json({"deleted": str(run.path), "bytes": freed, "opened": [str(p) for p in opened]})
        return
    for path in opened:
        say(f"{path} was opened by its evidence, which is gone.")
    say(f"{run.path}: deleted, {size(freed)} freed")


def _lost(found: Listed, bytes_used: int, opened: Sequence[Path]) -> str:
    """What goes with a run."""
    trials = several(found.ended, "trial") if found.ended is not None else "many trials"
    name = metric_name(found.judged_by)
    best = f", best {name} {ratio(found.best)}" if found.best is not None else ""
    said = [f"{found.stage or 'ad hoc'}, {found.status.name}: {trials}{best}, {size(bytes_used)}"]
    said += [f"note: {found.note.line}"] if found.note.line else []
    said += [f"Its evidence opened {path}." for path in opened]
    return "\n".join(said)
