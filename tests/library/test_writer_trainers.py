"""The callbacks, called by the trainers that they are for."""

import statistics

import pytest

from atft_core.callbacks import lightning_callback, transformers_callback
from atft_core.run.directory import RunDirectory
from atft_core.run.status import evidence
from atft_core.writer import Run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")


@pytest.mark.parametrize("every", [1, 2])
def test_lightning_tells_each_epoch_and_obeys_a_stop(tmp_path, every):
    lightning = pytest.importorskip("lightning", reason="pip install lightning")
    from torch.utils.data import DataLoader, TensorDataset

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 1)

        def _loss(self, batch):
            x, y = batch
            return torch.nn.functional.mse_loss(self.linear(x), y)

        def training_step(self, batch, i):
            loss = self._loss(batch)
            self.log("train_loss", loss, on_epoch=True, on_step=False)
            return loss

        def validation_step(self, batch, i):
            self.log("val_mse", self._loss(batch))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.05)

    data = DataLoader(TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), batch_size=16)
    with Run(tmp_path / "r", epochs=5, objective="-mse") as run, run.trial() as trial:
        callback = lightning_callback(trial)
        trainer = lightning.Trainer(
            max_epochs=5, callbacks=[callback], accelerator="cpu", logger=False,
            enable_checkpointing=False, enable_progress_bar=False, default_root_dir=tmp_path,
            check_val_every_n_epoch=every,
        )  # fmt: skip
        trial.stop_asked = lambda: len(trial._rows) == 3
        trainer.fit(Line(), data, data)
    (told,) = evidence(RunDirectory(run.path)).trials.values()
    assert [row.epoch for row in told.epochs] == [1, 2, 3]
    assert all(set(row.train) == {"loss"} for row in told.epochs)
    measured = {row.epoch: row.val["1"]["mse"] for row in told.epochs if row.val["1"]}
    assert sorted(measured) == ([1, 2, 3] if every == 1 else [2])
    assert told.value == pytest.approx(-statistics.median(measured.values()))


def test_transformers_tells_each_evaluation(tmp_path):
    transformers = pytest.importorskip("transformers", reason="pip install transformers accelerate")
    pytest.importorskip("accelerate")

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 1)

        def forward(self, x, labels):
            found = self.linear(x)
            return {"loss": torch.nn.functional.mse_loss(found, labels), "logits": found}

    rows = [{"x": torch.randn(4), "labels": torch.randn(1)} for _ in range(32)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "hf"), num_train_epochs=3, per_device_train_batch_size=8,
        eval_strategy="epoch", logging_strategy="epoch", save_strategy="no", report_to=[],
        use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    with Run(tmp_path / "r", epochs=3, objective="-loss") as run, run.trial() as trial:
        trainer = transformers.Trainer(
            model=Line(), args=arguments, train_dataset=rows, eval_dataset=rows,
            callbacks=[transformers_callback(trial)],
        )  # fmt: skip
        trainer.train()
        trainer.evaluate(rows, metric_key_prefix="test")  # no epoch of the training
        trainer.evaluate(rows)
    (told,) = evidence(RunDirectory(run.path)).trials.values()
    assert [row.epoch for row in told.epochs] == [1, 2, 3]
    assert all(row.val["1"]["loss"] > 0 and row.train["loss"] > 0 for row in told.epochs)
