"""The training step that regresses a student's encoder states on its teacher's."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from transformers import TrainerControl

from askd_trainers.data.encoder_states import FrozenEncoder
from askd_trainers.data.windows import collate
from askd_trainers.errors import Diverged
from askd_trainers.trainer.resumable import ResumableTrainer


class StateRegression(ResumableTrainer):
    """Trains a student's encoder on the states of its teacher's.

    Args:
        teacher: the teacher's encoder.
        sets: name -> dataset that is validated on.
        options: of `Seq2SeqTrainer`.
    """

    def __init__(self, *, teacher: FrozenEncoder, sets: dict[str, Subset[dict[str, Any]]], **options: Any) -> None:
        super().__init__(**options)
        self.teacher, self.sets = teacher, sets
        teacher.encoder.to(self.args.device).requires_grad_(False)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Tensor | None = None
    ) -> Tensor:
        """Return the mean squared difference of the student's states from the teacher's first ones, as many as the student has."""
        states, targets = self._pair(model, inputs)
        loss = F.mse_loss(states, targets)
        if not torch.isfinite(loss):
            raise Diverged(f"training: the loss is {loss.item()} at step {self.state.global_step}; use a smaller learning rate")
        return loss

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval", **_: Any
    ) -> dict[str, float]:
        """Return and log, for each validation set, the share of the teacher's states' variance that the student's do not explain."""
        model = self.model.eval()
        metrics = {}
        for name, dataset in self.sets.items():
            squares, sums, sums_of_squares, count = (torch.zeros((), dtype=torch.float64) for _ in range(4))
            for inputs in DataLoader(dataset, batch_size=self.args.per_device_eval_batch_size, collate_fn=collate):
                with self.accelerator.autocast():
                    states, targets = self._pair(model, self._prepare_inputs(inputs))
                squares += (states - targets).double().square().sum().cpu()
                sums = sums + targets.double().sum((0, 1)).cpu()
                sums_of_squares += targets.double().square().sum().cpu()
                count += targets.shape[0] * targets.shape[1]
            variance = sums_of_squares - sums.square().sum() / count
            metrics[f"{metric_key_prefix}_unexplained_{name}"] = float(squares / variance)
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _pair(self, model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        states: Tensor = model(encoded=inputs["features"]).float()
        own = {"features" if name == "teacher_features" else name: value for name, value in inputs.items() if name != "features"}
        return states, self.teacher.complete(own)[:, : states.shape[1]]
