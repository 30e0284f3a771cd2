"""A trial from its newest checkpoint to its files: epochs, orders, verdict."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch

from atft_core.config.hashing import code_version
from atft_core.data.cache import CacheWatch
from atft_core.data.feeds import Feed
from atft_core.errors import CheckpointError, EngineError
from atft_core.gpu.visible import VARIABLE as CUDA_NAMES
from atft_core.model.atft import count_parameters
from atft_core.run.directory import RunDirectory, TrialDirectory
from atft_core.run.events import Json
from atft_core.train import checkpoint, results
from atft_core.train.against import blended, compare
from atft_core.train.baselines import Baselines, baselines_of
from atft_core.train.clock import PARTS
from atft_core.train.compiled import Compiled, compile_step, worth_compiling
from atft_core.train.flops import step_flops
from atft_core.train.loop import (
    Tick,
    TrainReport,
    middle_block,
    mixed_seed,
    predict_days,
    train_epoch,
)
from atft_core.train.others import Others
from atft_core.train.phases import enter, spans_of, weights_furthest_from
from atft_core.train.rank import join
from atft_core.train.ranks import Alone
from atft_core.train.report import ENDINGS, Interrupted, Reporter, log, log_epoch
from atft_core.train.results import Scores
from atft_core.train.setup import (
    Setup,
    build_learner,
    configured_threads,
    equip,
    feed_of,
    open_trial,
    owner,
    refuse_few_devices,
)
from atft_core.train.step import Learner
from atft_core.train.tables import write_table


@dataclass
class Work:
    """A trial in progress."""

    setup: Setup
    trial: int
    files: TrialDirectory
    reporter: Reporter
    feed: Feed
    learner: Learner
    baselines: Baselines
    flops: int
    """Operations of a train step."""
    cache: CacheWatch
    others: Others | None = None
    """The other ranks, where several devices work at it."""
    rows: list[Json] = field(default_factory=list)
    """The epochs so far, as in metrics.json."""
    scores: Scores | None = None
    """What the averaged weights predict after the last epoch."""

    @property
    def epoch(self) -> int:
        """The last finished epoch; 0 before the first."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0


def prepare(run: RunDirectory, trial: int, reporter: Reporter, *, threads: int = 0) -> Work:
    """Open everything, tell the settings, and go back to the newest checkpoint."""
    setup = open_trial(run, trial)
    count = setup.config.train.devices_per_trial
    threads = max(1, (threads or configured_threads(setup.config)) // count)
    torch.set_num_threads(threads)
    if count > 1:
        refuse_few_devices(setup)
    feed = feed_of(setup)
    learner = equip(setup, build_learner(setup, trial))
    reporter.log_batches = setup.config.train.val_debug
    compiled = Compiled("off" if count == 1 else "off: several devices")
    if count == 1 and worth_compiling(setup.device, setup.config.train.compile):
        reporter.tell("compile")
        compiled = compile_step(learner, feed, setup.split)
    reporter.settings(observed(setup, feed, learner, compiled))
    reporter.tell("baselines")
    baselines = baselines_of(run, setup.config, setup.panel, setup.split)
    block = feed.block(middle_block(setup.split.train, setup.config.train.block_days))
    flops = step_flops(learner.model, block)
    cache = CacheWatch(Path(setup.panel.facts["cache"]))
    work = Work(setup, trial, run.trial(trial), reporter, feed, learner, baselines, flops, cache)
    resume(work)
    if count > 1:
        reporter.tell("ranks")
        work.others = Others(run, trial, reporter.attempt, count, threads)
        with work.others.blamed():
            learner.ranks = join(setup, work.others.meet, 0)
            learner.ranks.agree(work.epoch)
    return work


def observed(setup: Setup, feed: Feed, learner: Learner, compiled: Compiled) -> Json:
    """The settings as they are in this process, not as they were asked for."""
    train = setup.config.train
    loss = weights_furthest_from(train, learner.loss)
    on_gpu = setup.device.type == "cuda"
    return {
        "feed": feed.name,
        "feed_reason": feed.reason,
        "start_method": multiprocessing.get_start_method(),
        "device": f"cuda ({torch.cuda.get_device_name(setup.device)})" if on_gpu else "cpu",
        "gpu": os.environ.get(CUDA_NAMES, "") if on_gpu else "",
        "threads": torch.get_num_threads(),
        "devices": train.devices_per_trial,
        "amp": "bfloat16" if learner.amp else "off",
        "compile": compiled.state,
        "compile_seconds": round(compiled.seconds, 2),
        "kept_statistics": learner.kept is not None,
        "loss": loss.weights,
        "val_debug": train.val_debug,
        "max_batches": train.max_batches,
        "block_days": train.block_days,
        "phases": [
            {
                "name": span.phase.name,
                "first": span.epochs[0],
                "last": span.epochs[-1],
                "says": str(span),
            }
            for span in spans_of(train)
        ],
        "lookback": learner.model.lookback,
        "seed": train.seed,
        "parameters": count_parameters(learner.model),
        "torch": torch.__version__,
        "code": code_version(),
        "pid": os.getpid(),
    }


def resume(work: Work) -> None:
    """Go back to the newest good checkpoint.

    Its epochs are told again: whether a kill kept one from being told is not known here, and the
    first report of an epoch stands.
    """
    found, notes = checkpoint.newest(work.files.checkpoints, owner(work.setup, work.trial))
    for note in notes:
        log.warning("%s", note)
    if found is None:
        return
    checkpoint.restore(found, work.learner)
    work.rows = found.rows
    for row in work.rows:
        work.reporter.epoch_ended(row)
    write_metrics(work, "running")
    log.info("Resumed from %s", found.path.name)


def train(work: Work) -> str:
    """The epochs that are left; returns the trial's state."""
    try:
        with work.others.blamed() if work.others else nullcontext():
            for epoch in range(work.epoch + 1, work.setup.config.train.max_epochs + 1):
                run_epoch(work, epoch)
    except Interrupted as order:
        log.info("Ordered to %s in epoch %d", order.op, work.epoch + 1)
        return ENDINGS[order.op]
    finally:
        learn_alone(work)
    return "complete"


def learn_alone(work: Work) -> None:
    """The other ranks are done: what is left is for this process."""
    if work.others is not None:
        if work.epoch == work.setup.config.train.max_epochs:
            work.learner.ranks.close()
            work.others.close()
        else:
            work.others.kill()
        work.others, work.learner.ranks = None, Alone()


def run_epoch(work: Work, epoch: int) -> None:
    """Train, validate with the averaged weights, store, tell."""
    began = time.perf_counter()
    work.reporter.epoch = epoch
    tick = work.reporter.tick
    seed = mixed_seed(work.setup.config.train.seed, work.trial)
    days = work.setup.split.train
    if beginning := enter(work.learner, work.setup.config.loss, epoch):
        log.info("%s", beginning)
    try:
        report = train_epoch(work.learner, work.feed, days, seed=seed, epoch=epoch, tick=tick)
        validating = time.perf_counter()
        scores = score_validation(work, tick, "validate")
    finally:
        work.cache.refuse_damage()  # whatever came out: it is not to be believed then
    row = epoch_row(epoch, report, with_baselines(work, scores), work.flops)
    row["time"]["h2d"] = work.feed.transfer_seconds()
    row["rates"]["learning_rate"] = work.learner.last_rate
    if work.setup.device.type == "cuda":
        row["rates"]["peak_bytes"] = torch.cuda.max_memory_reserved(work.setup.device)
    saving = time.perf_counter()
    row["time"]["validate"] = saving - validating
    work.reporter.tell("checkpoint")

    def rows() -> list[Json]:
        ended = time.perf_counter()
        row["time"]["checkpoint"] = ended - saving
        row["seconds"] = ended - began
        known = (row["time"][part] for part in ("wait", *PARTS, "validate", "checkpoint"))
        row["time"]["other"] = max(0.0, row["seconds"] - sum(known))
        return [*work.rows, row]

    belongs = owner(work.setup, work.trial)
    checkpoint.save(work.files.checkpoints, work.learner, belongs, epoch, rows)
    publish(work, row, scores)


def epoch_row(epoch: int, report: TrainReport, val: Json, flops: int) -> Json:
    """An epoch as in metrics.json and its event; times of what is still to come are added later."""
    return {
        "epoch": epoch,
        "batches": report.batches,
        "batches_available": report.available,
        "time": {
            "train_start": report.start,
            "train_end": report.end,
            "wait": report.wait,
            "compute": report.compute,
            **report.parts,
        },
        "rates": rates(report, flops),
        "train": report.values,
        "val": val,
    }


def rates(report: TrainReport, flops: int) -> Json:
    """How fast the training part was: windows, products and bytes per second."""
    seconds = max(report.wait + report.compute, 1e-9)
    computing = max(report.parts["forward"] + report.parts["backward"], 1e-9)
    return {
        "windows_per_s": report.windows / seconds,
        "gflop_per_s": flops * report.batches / computing / 1e9,
        "gb_per_s": report.delivered / seconds / 1e9,
    }


def publish(work: Work, row: Json, scores: Scores) -> None:
    """The epoch is safe on disk: tell everybody."""
    work.rows.append(row)
    work.scores = scores
    results.write_daily(work.files, work.setup.panel, scores)
    write_metrics(work, "running")
    work.reporter.epoch_ended(row)
    log_epoch(row, work.setup.config.train.max_epochs)


def score_validation(work: Work, tick: Tick, phase: str) -> Scores:
    """Predict every validation day with the averaged weights, and measure."""
    panel, days, learner = work.setup.panel, work.setup.split.val, work.learner
    pred_DNH = predict_days(learner, work.feed, days, tick=tick, phase=phase)
    return results.score(panel, "val", days, pred_DNH)


def with_baselines(work: Work, scores: Scores) -> Json:
    """The metrics of each horizon, with the comparison against the best baseline.

    At the objective's also what the equal blend with LightGBM reaches.
    """
    panel, days, baselines = work.setup.panel, scores.days, work.baselines
    dates_D = panel.dates_T[days.start : days.stop].astype("datetime64[D]")
    found = {
        str(horizon): scores.summary[str(horizon)]
        | compare(baselines.daily, horizon, dates_D, scores.daily, h)
        for h, horizon in enumerate(panel.horizons)
    }
    objective = work.setup.config.objective.horizon
    found[str(objective)] |= blended(baselines, panel, scores, panel.horizons.index(objective))
    return found


def finish(work: Work, state: str) -> float | None:
    """Leave the files of a finished trial; its value. A stopped trial has none yet."""
    if state == "stopped" or not work.rows:
        write_metrics(work, state)
        return None
    if work.scores is None:
        work.scores = scores_of_checkpoint(work)
    work.reporter.tell("score")
    panel, scores = work.setup.panel, work.scores
    results.write_daily(work.files, panel, scores)
    write_table(work.files.predictions, results.prediction_table(panel, scores))
    objective = work.setup.config.objective
    value = results.trial_value(work.rows, objective.horizon, objective.last_epochs)
    if value is None:
        raise EngineError(
            f"validation RankIC at horizon {objective.horizon} is undefined in each of the last "
            f"{min(objective.last_epochs, len(work.rows))} epochs",
            hint="Constant or NaN predictions, or fewer than 10 labelled stocks on every day.",
        )
    write_metrics(work, state)
    return value


def scores_of_checkpoint(work: Work) -> Scores:
    """What the last finished epoch predicted, when another attempt finished it.

    By its stored weights: those in memory may be on their way through the next epoch.
    """
    found, _ = checkpoint.newest(work.files.checkpoints, owner(work.setup, work.trial))
    if found is None:
        raise CheckpointError(
            f"the checkpoint of epoch {work.epoch} in {work.files.checkpoints} is gone",
            hint="`atft resume RUN_DIR` trains the trial again.",
        )
    checkpoint.load_weights(found, ema=work.learner.ema)
    enter(work.learner, work.setup.config.loss, found.epoch)
    return score_validation(work, work.reporter.tell, "score")


def write_metrics(work: Work, state: str) -> None:
    """Rewrite metrics.json."""
    results.write_metrics(
        work.files.metrics,
        trial=work.trial,
        state=state,
        rows=work.rows,
        horizon=work.setup.config.objective.horizon,
        holdout=None,
    )
