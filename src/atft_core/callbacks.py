"""Callbacks that tell a trial of `atft_core.writer` what other trainers do. May be copied, too."""

from __future__ import annotations

from typing import Any


def lightning_callback(trial: Any) -> Any:
    """A callback for `lightning.Trainer(callbacks=[...])`: its metrics after each validation.

    Metrics that begin with "train" belong to the training, all others to validation; "val_" and
    "train_" before their names are dropped.
    """
    from lightning.pytorch.callbacks import Callback

    class AtftCallback(Callback):
        def on_train_batch_end(
            self, trainer: Any, module: Any, out: Any, batch: Any, i: int
        ) -> None:
            trial.progress(trainer.current_epoch + 1, i + 1, trainer.num_training_batches)

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            told = {k: float(v) for k, v in trainer.callback_metrics.items()}
            train = {k[6:]: v for k, v in told.items() if k.startswith("train_")}
            val = {k.removeprefix("val_"): v for k, v in told.items() if k[:6] != "train_"}
            trial.epoch(trainer.current_epoch + 1, train=train, val=val)
            if trial.stop_asked():
                trainer.should_stop = True

    return AtftCallback()


def transformers_callback(trial: Any) -> Any:
    """A callback for `transformers.Trainer(callbacks=[...])`: its metrics after each evaluation."""
    from transformers import TrainerCallback

    class AtftCallback(TrainerCallback):
        def __init__(self) -> None:
            self.train: dict[str, float] = {}
            self.count = 0

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            numbers = {k: float(v) for k, v in (logs or {}).items() if isinstance(v, (int, float))}
            self.train |= {k: v for k, v in numbers.items() if not k.startswith(("eval_", "epoch"))}

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            trial.progress(int(state.epoch or 0) + 1, state.global_step, state.max_steps)
            if trial.stop_asked():
                control.should_training_stop = True

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None,
                        **_: Any) -> None:  # fmt: skip
            numbers = {k: float(v) for k, v in (metrics or {}).items() if k != "epoch"}
            val = {k.removeprefix("eval_"): v for k, v in numbers.items()}
            self.count += 1  # an evaluation need not be an epoch
            trial.epoch(self.count, train=self.train, val=val)

    return AtftCallback()
