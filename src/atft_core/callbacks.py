"""Callbacks that tell a trial of `atft_core.writer` what other trainers do. May be copied, too."""

from __future__ import annotations

from typing import Any


def lightning_callback(trial: Any) -> Any:
    """A callback for `lightning.Trainer(callbacks=[...])`: its metrics after each validation.

    Metrics that begin with "train" belong to the training, all others to validation; "val_" and
    "train_" before their names are dropped. An epoch without a validation has no metrics: those
    that Lightning still holds are of an earlier one.
    """
    from lightning.pytorch.callbacks import Callback

    class AtftCallback(Callback):
        validated = False

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            self.validated = not trainer.sanity_checking

        def on_train_batch_end(
            self, trainer: Any, module: Any, out: Any, batch: Any, i: int
        ) -> None:
            trial.progress(trainer.current_epoch + 1, i + 1, trainer.num_training_batches)

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            told = {k: float(v) for k, v in trainer.callback_metrics.items()}
            train = {k[6:]: v for k, v in told.items() if k.startswith("train_")}
            val = {k.removeprefix("val_"): v for k, v in told.items() if k[:6] != "train_"}
            trial.epoch(trainer.current_epoch + 1, train=train, val=val if self.validated else {})
            self.validated = False
            if trial.stop_asked():
                trainer.should_stop = True

    return AtftCallback()


def transformers_callback(trial: Any) -> Any:
    """A callback for `transformers.Trainer(callbacks=[...])`: its metrics after each evaluation.

    Evaluations count as epochs, those while it trains alone: what is scored afterwards, on a test
    set above all, is no validation.
    """
    from transformers import TrainerCallback

    class AtftCallback(TrainerCallback):
        def __init__(self) -> None:
            self.train: dict[str, float] = {}
            self.count, self.since, self.training = 0, 0, False

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.training = True

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.training = False

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            numbers = {k: float(v) for k, v in (logs or {}).items() if isinstance(v, (int, float))}
            self.train |= {k: v for k, v in numbers.items() if not k.startswith(("eval_", "epoch"))}

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            steps = args.eval_steps if args.eval_strategy == "steps" else 0
            batches = int(steps or state.max_steps / max(1, state.num_train_epochs))
            trial.progress(self.count + 1, state.global_step - self.since, batches)
            if trial.stop_asked():
                control.should_training_stop = True

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None,
                        **_: Any) -> None:  # fmt: skip
            if not self.training:
                return
            told = {k: float(v) for k, v in (metrics or {}).items() if k.startswith("eval_")}
            self.count, self.since = self.count + 1, state.global_step
            trial.epoch(self.count, train=self.train,
                        val={k.removeprefix("eval_"): v for k, v in told.items()})  # fmt: skip

    return AtftCallback()
