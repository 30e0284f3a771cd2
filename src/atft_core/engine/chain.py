"""`--then`: the next stage, started when this one has ended and its evidence opens the gate."""

from __future__ import annotations

from pathlib import Path

from atft_core.config.keys import DESCRIPTIONS, dump
from atft_core.config.load import with_values
from atft_core.engine.session import Session
from atft_core.errors import AtftError
from atft_core.launch import start_engine
from atft_core.run import events as ev
from atft_core.run.runbook import Stage, load


def stage_values(stage: Stage) -> dict[str, object]:
    """What a stage sets on top of the configuration."""
    return {
        "engine.n_trials": stage.n_trials,
        "engine.study_name": stage.study_name,
        "train.max_epochs": stage.max_epochs,
        **({"command.argv": stage.command} if stage.command else {}),
    }


def start_next(session: Session, end: ev.RunEnded) -> None:
    """Start the queued stage and say so; its own engine checks the gate and may refuse."""
    key = session.state.then
    if not key or end.state != "FINISHED":
        return
    if session.why_no_further:
        text = f"next stage {key} not started: {session.why_no_further}"
        session.record(ev.Alert(level="info", text=text))
        return
    try:
        facts = session.run.facts()
        runbook = load(Path(facts["runbook"]))
        stage = runbook.stage(key)
        values = stage_values(stage)
        if session.config.command.argv and not stage.command:
            values["command.argv"] = runbook.config.get("command", {}).get("argv", ())
        config = with_values(session.config, values)
        run_dir = start_engine(
            {
                "config": dump(config),
                "origins": dict.fromkeys(DESCRIPTIONS, f"run {session.run.path.name}")
                | dict.fromkeys(stage_values(stage), runbook.path.name),
                "environment": facts.get("environment", []),
                "output_dir": str(stage.output_dir.absolute()),
                "stage": key,
                "runbook": facts["runbook"],
                "until": session.deadline,
                "argv": facts.get("argv", []),  # it says on what, and that this stage follows
            }
        )
        text = f"next stage {key} started: {run_dir}"
    except (AtftError, OSError) as error:
        said = error.message if isinstance(error, AtftError) else str(error)
        text = f"next stage {key} not started: {said}"
    session.record(ev.Alert(level="info", text=text))
