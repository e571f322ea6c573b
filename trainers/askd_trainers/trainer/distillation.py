"""The training step on transformers' `Seq2SeqTrainer`: one objective with scheduled weights, of which every arm is a setting."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from askd_bench.metrics.alignment import count_errors
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import ErrorCounts
from askd_trainers.data.encoder_states import FrozenEncoder
from askd_trainers.data.length_groups import LengthGroups
from askd_trainers.data.repeats import repeat_phrases
from askd_trainers.data.spec_augment import mask
from askd_trainers.errors import Diverged
from askd_trainers.families.base import IGNORED, Batch, Family
from askd_trainers.objective.functions import kl_divergence
from askd_trainers.objective.learning_rate import phased_multiplier
from askd_trainers.objective.schedules import LossSchedule
from askd_trainers.objective.self_teacher import SelfTeacher
from askd_trainers.objective.term import Output, Outputs, weighted_sum
from askd_trainers.objective.terms import terms_of
from askd_trainers.recipe import Objective, SpecAugment
from askd_trainers.trainer.resumable import ResumableTrainer
from askd_trainers.trainer.term_log import TermLog


class DistillationTrainer(ResumableTrainer):
    """Trains a student by cross-entropy, a teacher and an earlier self, weighted by a `LossSchedule`.

    The loss of a step is a sum over positions divided by the positions of the whole step, over accumulated batches and processes alike:
    it does not depend on how the step is cut.

    Args:
        family: how models of this kind are run.
        teacher: kept in eval mode, without gradients; None where the objective has no teacher.
        encoders: role ("student", "teacher") -> its frozen encoder, None for one that is trained. Without a "teacher" the teacher takes
            the student's input, and a frozen encoder runs once a batch for both.
        objective, total_steps: what the weights follow from.
        augment: masks on the student's spectrograms.
        repeats: share of the clips in which the student reads a repeated phrase.
        encoder_learning_rate: peak rate of the encoder's weights; None for that of the others.
        phase_b_rate: what the learning rate does in phase B; see `Optimisation.phase_b_learning_rate`.
        lengths: of the examples, to make batches of similar ones; None for batches at random.
        trained_on: clean training utterances, as a dataset, to measure over-fitting by; None for none.
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
        repeats: float = 0.0,
        encoder_learning_rate: float | None = None,
        phase_b_rate: str = "continue",
        lengths: Sequence[int] | None = None,
        trained_on: Any = None,
        utterance_id: Callable[[int], str] = str,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.family = family
        self.encoders = encoders
        self.augment = augment
        self.repeats = repeats
        self.encoder_learning_rate = encoder_learning_rate
        self.phase_b_rate = phase_b_rate
        self.lengths = lengths
        self.trained_on = trained_on
        self.schedule = LossSchedule(objective, total_steps)
        self.utterance_id = utterance_id
        self.teacher = None if teacher is None else teacher.to(self.args.device).eval().requires_grad_(False)
        for encoder in encoders.values():
            if encoder is not None:
                encoder.encoder.to(self.args.device)
        term = objective.self_teacher
        self.self_teacher = None if term is None else SelfTeacher(self.model, term)
        self.terms = terms_of(objective)
        self._log = TermLog()
        self._rate = 0.0
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

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return transformers' schedule of the learning rate, or one that begins anew or stays in phase B."""
        if self.phase_b_rate == "continue":
            return super().create_scheduler(num_training_steps, optimizer)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer if optimizer is None else optimizer,
            lambda step: phased_multiplier(
                step,
                kind=str(self.args.lr_scheduler_type.value),
                total=num_training_steps,
                warmup=int(self.args.warmup_steps),
                phase_a=self.schedule.phase_a_steps,
                phase_b=self.phase_b_rate,
            ),
        )
        return self.lr_scheduler

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
            Diverged: it is not finite; the message names the batch's utterances.
        """
        weights = self.schedule.weights(self.state.global_step)
        self._rate = float(self.optimizer.param_groups[0]["lr"]) if self.optimizer is not None else 0.0
        items = self._counts(inputs) if num_items_in_batch is None else num_items_in_batch.tolist()
        states = any(term.compares_states and term.weight(weights) for term in self.terms)
        batch = self._inputs_of("student", inputs)
        if self.augment is not None and model.training:
            batch["features"] = mask(batch["features"], self.augment)
        read = self._with_repeats(batch) if self.repeats and model.training else batch

        def forward(role: str) -> Output:
            if role == "student":
                return self._output(model, self.model, read, states)
            return self._constant(role, self._inputs_of(role, inputs) if role in self.encoders else batch, states)

        outputs = Outputs(forward, label_tokens=items[0], positions=items[1])
        result = weighted_sum(self.terms, weights, outputs)
        loss = result.total
        if self.schedule.follows_gap and (weights.teacher or weights.hidden):
            self._measure_gap(outputs.hard_sum, outputs.teacher.hard_sum(), inputs)
        if not torch.isfinite(loss):
            ids = ", ".join(map(self.utterance_id, inputs["index"].tolist()))
            raise Diverged(f"training: the loss is {loss.item()} at step {self.state.global_step}; utterances of the batch: {ids}")
        if model.training:
            self._log.add(result)
        # DDP averages gradients over processes; the items above already are those of all of them.
        scaled: Tensor = loss * self.accelerator.num_processes
        return scaled

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with each term's mean and share of the loss since the last time, the last step's weights, and the masses so far."""
        if "loss" in logs and self._log.steps:
            logs |= self._log.take(lambda total: float(self.accelerator.reduce(total, "sum")))
            weights = self.schedule.weights(max(0, self.state.global_step - 1))
            logs |= {"teacher_weight": weights.teacher, "self_teacher_weight": weights.self_teacher}
            logs |= self.schedule.mass.means()
        super().log(logs, start_time)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval", **_: Any
    ) -> dict[str, float]:
        """Return and log cross-entropy, divergence from the teacher (both at τ = 1, as Distil-Whisper evaluates) and greedy WER.

        WER is of pooled counts, after the `whisper-english` normaliser. The cross-entropy of clean training utterances is measured the same
        way, and the gap between the two is over-fitting.

        Raises:
            Diverged: cross-entropy or divergence is not finite: such a student is not worth training on.
        """
        model = self.model.eval()
        sums = torch.zeros(4, dtype=torch.float64)
        counts = ErrorCounts()
        normalise = normaliser(DEFAULT_NORMALISER)
        dataset = eval_dataset if eval_dataset is not None else self.eval_dataset
        for raw in self._shared_out(dataset):
            inputs = self._prepare_inputs(raw)
            batch = self._inputs_of("student", inputs)
            with self.accelerator.autocast():
                logits = self.family.forward(model, batch)
            hard, soft = self._counts(inputs)
            sums[0] += self.family.hard_loss(model, logits, batch).item()
            sums[1] += hard
            if self.teacher is not None:
                own = self._inputs_of("teacher", inputs) if "teacher" in self.encoders else batch
                with self.accelerator.autocast():
                    target = self.family.packed(self.teacher, self.family.forward(self.teacher, own), own)
                sums[2] += kl_divergence(target, self.family.packed(model, logits, batch)).sum().item()
                sums[3] += soft
            for index, text in zip(inputs["index"].tolist(), self.family.transcribe(model, batch), strict=True):
                reference = dataset.examples[index].utterance.reference
                counts += count_errors(reference=normalise(reference).split(), hypothesis=normalise(text).split())
        words = torch.tensor([counts.errors, counts.reference_length], dtype=torch.float64)
        sums, words = (self.accelerator.reduce(x.to(self.args.device), "sum").cpu() for x in (sums, words))
        if not torch.isfinite(sums).all():
            raise Diverged(f"training: the validation loss is not finite after {self.state.global_step} steps; the student is ruined")
        metrics = {f"{metric_key_prefix}_cross_entropy": float(sums[0] / sums[1]), f"{metric_key_prefix}_wer": float(words[0] / words[1])}
        if sums[3] > 0:
            metrics[f"{metric_key_prefix}_teacher_kl"] = float(sums[2] / sums[3])
        if self.trained_on is not None:
            trained = metrics[f"{metric_key_prefix}_train_cross_entropy"] = self._cross_entropy(self.trained_on)
            metrics[f"{metric_key_prefix}_gap"] = metrics[f"{metric_key_prefix}_cross_entropy"] - trained
        if self.schedule.observe_dev(self.state.global_step, metrics[f"{metric_key_prefix}_cross_entropy"]):
            metrics["phase_a_steps"] = float(self.state.global_step)
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _cross_entropy(self, dataset: Any) -> float:
        sums = torch.zeros(2, dtype=torch.float64)
        for raw in self._shared_out(dataset, generator=torch.Generator()):  # the global one is training's
            inputs = self._prepare_inputs(raw)
            batch = self._inputs_of("student", inputs)
            with self.accelerator.autocast():
                logits = self.family.forward(self.model, batch)
            sums += torch.tensor([self.family.hard_loss(self.model, logits, batch).item(), self._counts(inputs)[0]], dtype=torch.float64)
        total, count = self.accelerator.reduce(sums.to(self.args.device), "sum").tolist()
        return float(total / count)

    def after_step(self) -> None:
        """Update masses, the measured gap and the self-teacher; `global_step` steps have been taken."""
        self._log.steps += 1
        self.schedule.mass.add(self._rate, self.schedule.weights(max(0, self.state.global_step - 1)))
        if self.schedule.follows_gap:
            student, teacher, items = self.accelerator.reduce(self._gap.to(self.args.device), "sum").tolist()
            self._gap.zero_()
            if items:
                self.schedule.observe(student / items, teacher / items)
        if self.self_teacher is not None:
            ends = float(self.state.epoch or 0).is_integer()  # the state's epoch is epochs + steps / steps in an epoch
            self.self_teacher.after_step(self.model, self.state.global_step, self.schedule.self_teacher_from, epoch_ends=ends)

    def _with_repeats(self, batch: Batch) -> Batch:
        """Return the batch as the student reads it; teachers read the true prefix, position for position the same labels."""
        ids, labels = repeat_phrases(batch["decoder_input_ids"], batch["labels"], share=self.repeats, ignored=IGNORED)
        return batch | {"decoder_input_ids": ids, "labels": labels}

    def _constant(self, role: str, batch: Batch, states: bool) -> Output:
        """Return what teacher or self-teacher answer."""
        model = self.teacher if role == "teacher" else self.self_teacher and self.self_teacher.model
        with torch.no_grad(), self.accelerator.autocast():
            return self._output(model, model, batch, states and role == "teacher")

    def _output(self, model: Any, plain: Any, batch: Batch, states: bool) -> Output:
        """Run `model`, which may be wrapped for several devices; `plain` is it without."""
        hidden: Tensor | None = None
        if states:
            logits, hidden = self.family.forward_with_states(model, batch)
        else:
            logits = self.family.forward(model, batch)
        return Output(self.family.packed(plain, logits, batch), hidden, lambda: self.family.hard_loss(plain, logits, batch))

    def _measure_gap(self, student_sum: Tensor, teacher_sum: Tensor, batch: Batch) -> None:
        self._gap += torch.tensor([student_sum.item(), teacher_sum.item(), self._counts(batch)[0]], dtype=torch.float64)

    def _inputs_of(self, role: str, inputs: Batch) -> Batch:
        """Return the batch with the inputs of `role` under their own names, and the states of its encoder where that is frozen."""
        batch = {name.removeprefix(f"{role}_"): tensor for name, tensor in inputs.items()}
        encoder = self.encoders[role]
        if encoder is not None:
            batch["states"] = encoder.complete(batch)
        return batch

    def _shared_out(self, dataset: Any, generator: torch.Generator | None = None) -> Any:
        """Return batches of this process' part of a dataset, each example in exactly one process."""
        part = Subset(dataset, range(self.args.process_index, len(dataset), self.args.world_size))
        size = self.args.per_device_eval_batch_size
        return DataLoader(part, batch_size=size, collate_fn=self.data_collator, generator=generator)

    def _counts(self, inputs: Batch) -> tuple[int, int]:
        return self.family.counts(self.model, inputs)


class _AfterStep(TrainerCallback):  # type: ignore[misc]
    """Calls the trainer back after each optimiser step, before anything is saved."""

    def __init__(self, trainer: DistillationTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.after_step()
