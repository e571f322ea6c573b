"""The training step on transformers' `Seq2SeqTrainer`: one objective with scheduled weights, of which every arm is a setting."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from askd_bench.errors import UserError
from askd_bench.metrics.alignment import count_errors
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import ErrorCounts
from askd_trainers.encoder_states import FrozenEncoder
from askd_trainers.length_groups import LengthGroups
from askd_trainers.losses import entropy, hidden_state_error, kl_divergence, uniform_cross_entropy
from askd_trainers.recipe import Objective, SpecAugment
from askd_trainers.resumable import ResumableTrainer
from askd_trainers.schedules import LossSchedule
from askd_trainers.self_teacher import SelfTeacher
from askd_trainers.spec_augment import mask

Batch = dict[str, Tensor]


class Family(Protocol):
    """What the trainer asks of a kind of model; see `askd_trainers.whisper` and `askd_trainers.ctc`."""

    def counts(self, model: Any, batch: Batch) -> tuple[int, int]:
        """Return over how many items the hard loss and the divergences are means."""

    def forward(self, model: Any, batch: Batch) -> Tensor:
        """Return logits."""

    def forward_with_states(self, model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits and decoder states, shape (layers, positions, d_model); asked for only where the objective compares states."""

    def packed(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the logits that divergences compare, shape (positions, vocabulary)."""

    def hard_loss(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss against the reference, summed."""

    def transcribe(self, model: Any, batch: Batch) -> list[str]:
        """Return greedy transcripts."""


class DistillationTrainer(ResumableTrainer):
    """Trains a student by cross-entropy, a teacher and an earlier self, weighted by a `LossSchedule`.

    The loss of a step is a sum over positions divided by the positions of the whole step, over accumulated batches and processes alike:
    it does not depend on how the step is cut.

    Args:
        family: how models of this kind are run.
        teacher: kept in eval mode, without gradients; None where the objective has no teacher.
        encoders: role ("student", "teacher") -> its frozen encoder, None for one that is trained. Without a "teacher" the teacher hears
            what the student hears, and a frozen encoder runs once a batch for both.
        objective, total_steps: what the weights follow from.
        augment: masks on the student's spectrograms.
        encoder_learning_rate: peak rate of the encoder's weights; None for that of the others.
        lengths: of the examples, to make batches of similar ones; None for batches at random.
        utterance_id: index of an example -> what errors call it.
        options: of `Seq2SeqTrainer`.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        family: Family,
        teacher: nn.Module | None,
        encoders: dict[str, FrozenEncoder | None],
        objective: Objective,
        total_steps: int,
        augment: SpecAugment | None = None,
        encoder_learning_rate: float | None = None,
        lengths: Sequence[int] | None = None,
        utterance_id: Callable[[int], str] = str,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.family = family
        self.encoders = encoders
        self.augment = augment
        self.encoder_learning_rate = encoder_learning_rate
        self.lengths = lengths
        self.schedule = LossSchedule(objective, total_steps)
        self.utterance_id = utterance_id
        self.teacher = None if teacher is None else teacher.to(self.args.device).eval().requires_grad_(False)
        for encoder in encoders.values():
            if encoder is not None:
                encoder.encoder.to(self.args.device)
        term = objective.self_teacher
        self.self_teacher = None if term is None else SelfTeacher(self.model, term)
        self._terms: dict[str, Tensor] = {}
        self._steps_since_log = 0
        self._gap = torch.zeros(3, dtype=torch.float64)
        self.add_callback(_AfterStep(self))

    def create_optimizer(self, *arguments: Any) -> Any:
        """Return AdamW, with a group of its own for the encoder where that has its own rate."""
        if self.encoder_learning_rate is None:
            return super().create_optimizer(*arguments)
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        trained = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        encoder = [p for name, p in trained if name.startswith("model.encoder.")]
        others = [p for name, p in trained if not name.startswith("model.encoder.")]
        decay = {"weight_decay": self.args.weight_decay}
        self.optimizer = kind([{"params": others, **decay}, {"params": encoder, "lr": self.encoder_learning_rate, **decay}], **options)
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.lengths is None:
            return super()._get_train_sampler(train_dataset)
        return LengthGroups(self.lengths, self.args.train_batch_size * self.args.gradient_accumulation_steps, seed=self.args.data_seed)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Batch], Tensor]:
        """Return the batches of a step, and over how many items, in all processes, its two kinds of loss are means."""
        batches: list[Batch] = []
        while len(batches) < num_batches and (batch := next(epoch_iterator, None)) is not None:
            batches.append(batch)
        counts = torch.tensor([self._counts(batch) for batch in batches], device=device).reshape(-1, 2).sum(dim=0)
        return batches, self.accelerator.reduce(counts, "sum")

    def compute_loss(
        self, model: nn.Module, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Tensor | None = None
    ) -> Tensor:
        """Return the batch's share of the loss of its step.

        Raises:
            UserError: it is not finite; the message names the batch's utterances.
        """
        objective = self.schedule.objective
        weights = self.schedule.weights(self.state.global_step)
        items = self._counts(inputs) if num_items_in_batch is None else num_items_in_batch.tolist()
        batch = self._heard_by("student", inputs)
        if self.augment is not None and model.training:
            batch["features"] = mask(batch["features"], self.augment)
        states: Tensor | None = None
        if weights.hidden > 0:
            logits, states = self.family.forward_with_states(model, batch)
        else:
            logits = self.family.forward(model, batch)
        packed = self.family.packed(self.model, logits, batch)
        hard_sum = self.family.hard_loss(self.model, logits, batch)
        hard = hard_sum / items[0]
        terms = {"cross_entropy": hard}
        if objective.label_smoothing:
            uniform = uniform_cross_entropy(packed).sum() / items[1]
            hard = (1 - objective.label_smoothing) * hard + objective.label_smoothing * uniform
        loss = weights.cross_entropy * hard if weights.cross_entropy else hard.new_zeros(())
        if objective.confidence_penalty:
            terms["entropy"] = entropy(packed).sum() / items[1]
            loss = loss - objective.confidence_penalty * terms["entropy"]
        for name, role, weight, other in (
            ("teacher_kl", "teacher", weights.teacher, self.teacher),
            ("self_kl", "self_teacher", weights.self_teacher, self.self_teacher and self.self_teacher.model),
        ):
            hidden = weights.hidden if name == "teacher_kl" else 0.0
            if weight > 0 or hidden > 0:
                heard = self._heard_by(role, inputs) if role in self.encoders else batch
                with torch.no_grad(), self.accelerator.autocast():
                    if hidden > 0:
                        target, theirs = self.family.forward_with_states(other, heard)
                    else:
                        target = self.family.forward(other, heard)
                if hidden > 0 and states is not None:
                    terms["hidden"] = hidden_state_error(theirs, states).sum() / items[1]
                    loss = loss + hidden * terms["hidden"]
                if name == "teacher_kl" and self.schedule.follows_gap:
                    self._measure_gap(hard_sum, self.family.hard_loss(other, target, heard), heard)
                if not weight:
                    continue
                target = self.family.packed(other, target, heard)
                terms[name] = kl_divergence(target, packed, temperature=objective.temperature).sum() / items[1]
                loss = loss + weight * objective.temperature**2 * terms[name]
        if not torch.isfinite(loss):
            ids = ", ".join(map(self.utterance_id, inputs["index"].tolist()))
            raise UserError(f"training: the loss is {loss.item()} at step {self.state.global_step}; utterances of the batch: {ids}")
        if model.training:
            for name, value in terms.items():
                self._terms[name] = self._terms.get(name, torch.zeros_like(loss)) + value.detach()
        # DDP averages gradients over processes; the items above already are those of all of them.
        scaled: Tensor = loss * self.accelerator.num_processes
        return scaled

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the mean of each term since the last time, and the weights of the step just taken."""
        if "loss" in logs and self._steps_since_log:
            for name, total in self._terms.items():
                logs[name] = float(self.accelerator.reduce(total, "sum")) / self._steps_since_log
            weights = self.schedule.weights(max(0, self.state.global_step - 1))
            logs |= {"teacher_weight": weights.teacher, "self_teacher_weight": weights.self_teacher}
            self._terms, self._steps_since_log = {}, 0
        super().log(logs, start_time)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval", **_: Any
    ) -> dict[str, float]:
        """Return and log cross-entropy, divergence from the teacher (both at τ = 1, as Distil-Whisper evaluates) and greedy WER.

        WER is of pooled counts, after the `whisper-english` normaliser.

        Raises:
            UserError: cross-entropy or divergence is not finite: such a student is not worth training on.
        """
        model = self.model.eval()
        sums = torch.zeros(4, dtype=torch.float64)
        counts = ErrorCounts()
        normalise = normaliser(DEFAULT_NORMALISER)
        dataset = eval_dataset if eval_dataset is not None else self.eval_dataset
        for raw in self._shared_out(dataset):
            inputs = self._prepare_inputs(raw)
            batch = self._heard_by("student", inputs)
            with self.accelerator.autocast():
                logits = self.family.forward(model, batch)
            hard, soft = self._counts(inputs)
            sums[0] += self.family.hard_loss(model, logits, batch).item()
            sums[1] += hard
            if self.teacher is not None:
                heard = self._heard_by("teacher", inputs) if "teacher" in self.encoders else batch
                with self.accelerator.autocast():
                    target = self.family.packed(self.teacher, self.family.forward(self.teacher, heard), heard)
                sums[2] += kl_divergence(target, self.family.packed(model, logits, batch)).sum().item()
                sums[3] += soft
            for index, text in zip(inputs["index"].tolist(), self.family.transcribe(model, batch), strict=True):
                reference = dataset.examples[index].utterance.reference
                counts += count_errors(reference=normalise(reference).split(), hypothesis=normalise(text).split())
        words = torch.tensor([counts.errors, counts.reference_length], dtype=torch.float64)
        sums, words = (self.accelerator.reduce(x.to(self.args.device), "sum").cpu() for x in (sums, words))
        if not torch.isfinite(sums).all():
            raise UserError(f"training: the validation loss is not finite after {self.state.global_step} steps; the student is ruined")
        metrics = {f"{metric_key_prefix}_cross_entropy": float(sums[0] / sums[1]), f"{metric_key_prefix}_wer": float(words[0] / words[1])}
        if sums[3] > 0:
            metrics[f"{metric_key_prefix}_teacher_kl"] = float(sums[2] / sums[3])
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def after_step(self) -> None:
        """Update the self-teacher and the measured gap; `global_step` steps have been taken."""
        self._steps_since_log += 1
        if self.schedule.follows_gap:
            student, teacher, items = self.accelerator.reduce(self._gap.to(self.args.device), "sum").tolist()
            self._gap.zero_()
            if items:
                self.schedule.observe(student / items, teacher / items)
        if self.self_teacher is not None:
            ends = float(self.state.epoch or 0).is_integer()  # the state's epoch is epochs + steps / steps in an epoch
            self.self_teacher.after_step(self.model, self.state.global_step, self.schedule.phase_a_steps, epoch_ends=ends)

    def _measure_gap(self, student_sum: Tensor, teacher_sum: Tensor, batch: Batch) -> None:
        self._gap += torch.tensor([student_sum.item(), teacher_sum.item(), self._counts(batch)[0]], dtype=torch.float64)

    def _heard_by(self, role: str, inputs: Batch) -> Batch:
        """Return the batch with the inputs of `role` under their own names, and the states of its encoder where that is frozen."""
        batch = {name.removeprefix(f"{role}_"): tensor for name, tensor in inputs.items()}
        encoder = self.encoders[role]
        if encoder is not None:
            batch["states"] = encoder.complete(batch)
        return batch

    def _shared_out(self, dataset: Any) -> Any:
        """Return batches of this process' part of a dataset, each example in exactly one process."""
        part = Subset(dataset, range(self.args.process_index, len(dataset), self.args.world_size))
        return DataLoader(part, batch_size=self.args.per_device_eval_batch_size, collate_fn=self.data_collator)

    def _counts(self, inputs: Batch) -> tuple[int, int]:
        return self.family.counts(self.model, inputs)


class _AfterStep(TrainerCallback):  # type: ignore[misc]
    """Calls the trainer back after each optimiser step, before anything is saved."""

    def __init__(self, trainer: DistillationTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.after_step()
