"""A run directory as a long night leaves it, for measurements of what reads and writes it."""

from __future__ import annotations

from pathlib import Path

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal

HORIZONS = (1, 5, 10, 20)


def long_run(path: Path, trials: int, epochs: int) -> RunDirectory:
    """A sweep whose last trial still runs; a progress event and an epoch event for each epoch."""
    run = create(path)
    write_json(run.run_json, {"schema": 1, "stage": "bench"})
    with Journal(run.events) as journal:
        for event in (
            ev.RunStarted(run=path.name, n_trials=trials + 1, max_epochs=epochs, horizon=1),
            ev.EngineStarted(pid=1, start_time=1.0, host="elsewhere"),
        ):
            journal.write(event)
        for number in range(trials):
            _trial(journal, number, epochs)
        journal.write(ev.TrialIntent(trial=trials))
        journal.write(ev.TrialAsked(trial=trials, params={"model.hidden": 64}))
    return run


def _trial(journal: Journal, number: int, epochs: int) -> None:
    journal.write(ev.TrialIntent(trial=number))
    journal.write(ev.TrialAsked(trial=number, params={"model.hidden": 64}))
    journal.write(ev.WorkerStarted(trial=number, pid=2, start_time=2.0))
    for epoch in range(1, epochs + 1):
        for event in epoch_events(number, epoch, 2 * epoch):
            journal.write(event)
    journal.write(ev.WorkerExited(trial=number))
    journal.write(ev.TrialEnded(trial=number, value=0.03))


def epoch_events(number: int, epoch: int, seq: int) -> tuple[ev.Event, ev.Event]:
    """What a worker says during an epoch and at its end."""
    found = {"rank_ic": 0.03, "rank_ic_se": 0.01, "ic": 0.02, "sign_ratio": 0.01, "days": 250}
    return (
        ev.Progress(trial=number, worker_seq=seq, epoch=epoch, phase="train", batch=1, batches=99),
        ev.Epoch(
            trial=number,
            worker_seq=seq + 1,
            epoch=epoch,
            seconds=14.0,
            batches=99,
            batches_available=99,
            time={"wait": 0.1, "compute": 12.0, "forward": 5.0, "backward": 6.0, "validate": 1.5},
            train={"loss": 0.5, "rank_ic": -0.04},
            val={str(h): dict(found) for h in HORIZONS},
        ),
    )
