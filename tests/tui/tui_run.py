"""A run directory written with the real Journal: what the console's tests look at."""

from __future__ import annotations

import math
import time
from datetime import date, timedelta
from pathlib import Path

from atft_core.run import events as ev
from atft_core.run.daily import write_days
from atft_core.run.directory import RunDirectory, create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.runbook import Runbook, Stage, stage_to_json

PARAMS = {
    "train.learning_rate": 1e-3,
    "train.block_days": 16,
    "model.hidden": 64,
    "model.dropout": 0.2,
    "loss.rank_ic": 0.5,
}


def write_runbook(folder: Path) -> Path:
    """A dry run, a short and a full sweep below `folder`."""
    text = 'name = "tested"\ndemo = true\n[profile]\ngpu = "nvml"\n'
    stages = [
        ("dry", "dry run", "d", 1, 2, ""),
        ("short", "short sweep", "s", 5, 10, "dry"),
        ("full", "full sweep", "f", 20, 15, "short"),
    ]
    for key, title, hotkey, trials, epochs, requires in stages:
        text += f"""
[[stage]]
key = "{key}"
title = "{title}"
hotkey = "{hotkey}"
study_name = "tested_{key}"
output_dir = "{folder}/output/{key}"
n_trials = {trials}
max_epochs = {epochs}
requires = "{requires}"
criteria = [
  {{ name = "gpu_utilisation", minimum = 40, target = 60 }},
  {{ name = "epoch_seconds", minimum = 360, target = 300 }},
  {{ name = "no_crash", minimum = 0 }},
  {{ name = "feed", minimum = 0 }},
  {{ name = "start_method", minimum = 0 }},
  {{ name = "loss_weights", minimum = 0, target = 0 }},
  {{ name = "all_batches", minimum = 1 }},
  {{ name = "val_logging_off", minimum = 0 }},
  {{ name = "val_rank_ic", horizon = 1, minimum = {-0.01 if key == "dry" else 0}, target = 0.04 }},
"""
        if key != "dry":
            text += """  { name = "rank_ic_lower", horizon = 1, minimum = 0 },
  { name = "above_noise_floor", horizon = 1, minimum = 0 },
  { name = "beats_baseline", horizon = 1, minimum = 0, target = 0 },
  { name = "val_ic", horizon = 1, minimum = 0, target = 0.015 },
  { name = "sign_ratio", horizon = 1, minimum = 0.010, target = 0.010 },
  { name = "same_sign", horizon = 1, minimum = 0.8 },
"""
        text += """]
[[stage.remedies]]
title = "5 epochs"
text = "RankIC below the bar after 2 epochs often means too few of them."
values = { "train.max_epochs" = 5 }
[[stage.remedies]]
title = "Spearman weight 0.1"
text = "A soft-rank term pulls the whole order of the day, not only its extremes."
values = { "loss.spearman" = 0.1 }
"""
    path = folder / "runbook.toml"
    path.write_text(text)
    return path


def new_run(runbook: Runbook, stage: Stage) -> RunDirectory:
    """The directory and the first events of a run of `stage`."""
    run = create(stage.output_dir)
    facts = {"path": "data/rsr_nasdaq/panel.parquet", "hash": "3f2a9c", "stocks": 1026,
             "days": 1274, "rows": 1_190_000, "features": 24, "warnings": [],
             "entry_lag": 0}  # fmt: skip
    write_json(run.run_json, {"schema": 1, "stage": stage.key, "runbook": str(runbook.path)})
    run.lock.touch()
    with Journal(run.events) as journal:
        journal.append(
            ev.RunStarted(
                run=run.path.name, stage=stage.key, study_name=stage.study_name,
                n_trials=stage.n_trials, max_epochs=stage.max_epochs, horizon=1,
                identity={"data_hash": "3f2a9c", "demo": True}, stage_spec=stage_to_json(stage),
            )
        )  # fmt: skip
        journal.append(ev.EngineStarted(pid=4100, start_time=1.0, host=""))
        journal.append(
            ev.DataReady(
                facts=facts,
                split={"train": ["2013-01-02", "2015-12-31"], "val": ["2016-02-01", "2017-01-31"],
                       "holdout": ["2017-03-01", "2017-12-29"], "train_days": 755,
                       "val_days": 252, "holdout_days": 209, "purge_days": 20},
            )
        )  # fmt: skip
        journal.append(
            ev.Preflight(
                checks=[
                    {"name": "loss gradients", "ok": True, "detail": "5 terms, right sign"},
                    {"name": "perfect ranker", "ok": True, "detail": "+1 and -1"},
                    {"name": "planted leak", "ok": True, "detail": "found at t-1"},
                ],
                estimate={"epoch_seconds": 14.0, "trial_seconds": 140.0, "sweep_seconds": 700.0},
            )
        )
    log(run, f"Run {run.path.name} (stage {stage.key}): {stage.n_trials} trials")
    return run


def log(run: RunDirectory, *lines: str) -> None:
    """Lines as the engine writes them."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with run.log.open("a") as file:
        file.writelines(f"{stamp} {text}\n" for text in lines)


def begin_trial(run: RunDirectory, number: int, **params: object) -> None:
    """A trial with a worker that said what it runs with."""
    with Journal(run.events) as journal:
        journal.append(ev.TrialIntent(trial=number))
        journal.append(ev.TrialAsked(trial=number, params={**PARAMS, **params}))
        journal.append(ev.WorkerStarted(trial=number, attempt=1, pid=4121, start_time=2.0))
        journal.append(
            ev.Settings(
                trial=number, attempt=1, worker_seq=1,
                values={"feed": "resident", "feed_reason": "0.4 of 139 GiB",
                        "start_method": "spawn",
                        "device": "cuda:0", "threads": 8, "amp": "bfloat16", "compile": "inductor",
                        "loss": {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05},
                        "val_debug": False, "max_batches": 0, "parameters": 412_331,
                        "phases": [{"name": "Baseline", "first": 1, "last": 6},
                                   {"name": "Graph", "first": 7, "last": 15}]},
            )
        )  # fmt: skip
    folder = run.trial(number).path
    folder.mkdir(exist_ok=True)
    run.trial(number).log.write_text(f"worker of trial {number} starts\nfeed resident\n")


def add_epoch(
    run: RunDirectory, number: int, epoch: int, *, best: float = 0.043, gpu: bool = True
) -> None:
    """One epoch on the way to `best`."""
    reach = best * (1 - math.exp(-epoch / 3)) + 0.002 * math.sin(7 * epoch + number)
    val = {
        str(h): {"rank_ic": reach / h**0.3, "rank_ic_se": 0.011, "rank_ic_t": reach / 0.011,
                 "ic": reach / 2, "ic_se": 0.010, "sign_ratio": 0.4 * reach, "icir": 0.2,
                 "hit_rate": 0.51, "days": 252, "invalid_days": 0, "baseline": "reversal",
                 "baseline_diff": reach - 0.02, "baseline_diff_se": 0.008}
        for h in (1, 5, 10, 20)
    }  # fmt: skip
    with Journal(run.events) as journal:
        journal.append(
            ev.Epoch(
                trial=number, attempt=1, worker_seq=10 * epoch + 5, epoch=epoch, seconds=14.2,
                batches=94, batches_available=94,
                time={"wait": 0.1, "compute": 12.1, "validate": 1.5, "checkpoint": 0.2},
                train={"loss": 0.9 - 0.05 * epoch, "rank_ic": 0.5 - 0.02 * epoch,
                       "cs_ic": 0.6 - 0.03 * epoch, "sharpe": 0.9 + 0.001 * epoch, "huber": 0.45,
                       "grad_rank_ic": 1.2e-3, "grad_cs_ic": 8e-4, "grad_sharpe": 3e-4,
                       "grad_huber": 2e-5},
                rates={"learning_rate": 1e-3 / epoch, "windows_per_s": 81_000.0}, val=val,
                gpu={"n": 160, "p10": 91, "p50": 94, "p90": 97, "power": 612} if gpu else None,
            )
        )  # fmt: skip
    log(
        run,
        f"Epoch {epoch}/10 trial {number} train loss {0.9 - 0.05 * epoch:+.4f} batches 94/94 14 s",
        f"Val Metrics h=1 RankIC {reach:+.4f} +-0.0110 IC {reach / 2:+.4f} days 252",
        "GPU sm p10 91 p50 94 p90 97 %",
    )


def leave_files(run: RunDirectory, number: int, epoch: int, *, days: int = 252) -> None:
    """What a worker keeps after an epoch: the last two checkpoints, the correlations by day."""
    files = run.trial(number)
    for kept in (epoch - 1, epoch):
        folder = files.checkpoints / f"epoch_{kept:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.safetensors").write_bytes(bytes(3 << 20))
        (folder / "manifest.json").write_text("{}")
    first = date(2016, 2, 1)
    rows = [
        {"date": first + timedelta(day), "horizon": h, "n": 1000,
         "ic": 0.02 + 0.1 * math.sin(day * day), "rank_ic": 0.04 + 0.12 * math.sin(3 * day * day)}
        for day in range(days)
        for h in (1, 5)
    ]  # fmt: skip
    write_days(files.daily_text, rows)


FAILURE = """2026-01-05 10:00:00 Epoch 2: train
Traceback (most recent call last):
  File "/srv/atft/train/trial.py", line 136, in train
    run_epoch(work, epoch)
  File "/srv/atft/train/loop.py", line 131, in _refuse_non_finite
    raise NonFiniteLossError(
atft_core.errors.NonFiniteLossError: the loss is nan at epoch 2, block 17 of 94
"""


def fail_trial(run: RunDirectory, number: int) -> None:
    """A worker that was lost, an attempt that came to nothing."""
    with run.trial(number).log.open("a") as file:
        file.write(FAILURE)
    with Journal(run.events) as journal:
        lost = "killed by signal 9 (out of memory?)"
        journal.append(ev.WorkerExited(trial=number, attempt=1, ok=False, reason=lost))
        journal.append(ev.WorkerStarted(trial=number, attempt=2, pid=4200, start_time=3.0))
        journal.append(ev.PruneRequested(trial=number, user="ada"))
    reason = "non-finite loss: the loss is nan at epoch 2, block 17 of 94"
    end_trial(run, number, "FAIL", None, reason)


def end_trial(
    run: RunDirectory, number: int, state: str, value: float | None, reason: str = ""
) -> None:
    """The trial's final state."""
    with Journal(run.events) as journal:
        journal.append(ev.WorkerExited(trial=number, attempt=1, ok=state != "FAIL", reason=reason))
        journal.append(ev.TrialEnded(trial=number, state=state, value=value, reason=reason))
    log(run, f"Trial {number} {state} value {value}")


def end_run(run: RunDirectory, state: str = "FINISHED", reason: str = "") -> None:
    """The engine let go."""
    with Journal(run.events) as journal:
        journal.append(ev.RunEnded(state=state, reason=reason))


def finished_dry_run(runbook: Runbook) -> RunDirectory:
    """A dry run that passes."""
    run = new_run(runbook, runbook.stage("dry"))
    begin_trial(run, 0)
    for epoch in (1, 2):
        add_epoch(run, 0, epoch)
    end_trial(run, 0, "COMPLETE", 0.021)
    end_run(run)
    return run


def sweep(runbook: Runbook) -> RunDirectory:
    """A short sweep in the middle of its fourth trial."""
    run = new_run(runbook, runbook.stage("short"))
    bests = {0: 0.031, 1: 0.046, 2: 0.011, 3: 0.040}
    rates = {0: 1e-3, 1: 3e-4, 2: 3e-3, 3: 1e-4}
    for number, best in bests.items():
        begin_trial(run, number, **{"train.learning_rate": rates[number]})
        epochs = {2: 4, 3: 7}.get(number, 10)
        for epoch in range(1, epochs + 1):
            add_epoch(run, number, epoch, best=best)
        if number == 2:
            end_trial(run, 2, "PRUNED", 0.009, "below the median for 2 epochs")
        elif number != 3:
            end_trial(run, number, "COMPLETE", best)
    with Journal(run.events) as journal:
        journal.append(
            ev.Progress(trial=3, worker_seq=76, epoch=8, phase="train", batch=40, batches=94)
        )
    return run
