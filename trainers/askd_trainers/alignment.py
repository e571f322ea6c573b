"""Aligns a smaller encoder with its teacher's: the student's encoder states are regressed on the teacher's, before any decoder is trained.

An encoder whose layers were left out gives states that no decoder understands, and word labels are a poor guide back: some ten tokens an
utterance. The teacher's states are 50 vectors a second. With `data.teacher_hears = "clean"` the student hears noise, rooms and lines where
the teacher hears the clean utterance, so that it is taught to undo them.

Sources: matching of hidden states by mean squared error as in DistilBERT and, as an ablation, Distil-Whisper (Gandhi et al. 2023); states
of clean speech as targets for perturbed speech as in RobustDistiller (Guimarães et al., arXiv 2302.09437). Here it is the encoder's last
states alone, and utterances are packed into windows (`windows.py`).
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from transformers import TrainerControl, set_seed
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_bench.paths import cache_path
from askd_bench.types import SAMPLING_RATE
from askd_trainers.arguments import training_arguments
from askd_trainers.begun import begun_checkpoint, fill_caches, refuse_other_run, write_records
from askd_trainers.data import Example, make_examples
from askd_trainers.encoder_states import FrozenEncoder, StateCache
from askd_trainers.environment import resolve_precision
from askd_trainers.files import write_json
from askd_trainers.recipe import BaseRecipe, Section
from askd_trainers.resumable import Progress, ResumableTrainer
from askd_trainers.run import load_data, load_whisper
from askd_trainers.student import load_config, refuse_occupied, save_student
from askd_trainers.whisper import whisper_frontend
from askd_trainers.windows import Window, WindowDataset, alone, collate, length_in_samples, pack


class Packing(Section):
    """How training utterances are laid into windows.

    Attributes:
        pause_s: the shortest and the longest silence between two.
        alone: share of the utterances that have, besides, a window of their own: so are they heard in use.
    """

    pause_s: tuple[float, float] = (0.1, 0.6)
    alone: float = Field(0.35, ge=0, le=1)

    @field_validator("pause_s")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1]:
            raise ValueError("must be two lengths, the shorter first, neither negative")
        return value


class AlignmentRecipe(BaseRecipe):
    """What decides an alignment; `student.trainable` has no meaning here: the encoder is trained, and nothing else."""

    packing: Packing = Packing()


class AlignmentTrainer(ResumableTrainer):
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
            raise UserError(f"training: the loss is {loss.item()} at step {self.state.global_step}; use a smaller learning rate")
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
        heard = {"features" if name == "teacher_features" else name: value for name, value in inputs.items() if name != "features"}
        return states, self.teacher.complete(heard)[:, : states.shape[1]]


def align_encoder(recipe: AlignmentRecipe, output: Path, *, student: Path | None = None, progress: Progress | None = None) -> Path:
    """Align, or continue from the newest whole checkpoint in `output`; return the folder of the student.

    The student has the teacher's decoder layers that its recipe copies, not trained yet: it is what a recipe of `askd-train run` starts
    from (`student.checkpoint`), and no recogniser.

    Raises:
        UserError: as `askd_trainers.run.train_recipe`.
    """
    final = student or output / recipe.student_name
    refuse_other_run(recipe, output, final)
    if (final / "recipe.json").is_file():
        return final
    refuse_occupied(final, "student")
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    set_seed(recipe.seed)
    refuse_unfit(recipe)
    family, model, teacher = load_whisper(recipe)
    model.requires_grad_(False)
    model.model.encoder.requires_grad_(True)
    train, validation, record = load_data(recipe, family, model)
    refuse_changed_timing(train)
    bf16 = resolve_precision(recipe)
    limit = int(recipe.runtime.cache_gb * 2**30)
    cache = StateCache(cache_path("encoder-states"), limit) if limit else None
    encoder = FrozenEncoder(teacher.model.encoder, whisper_frontend(family.processor, teacher.config), cache, bf16=bf16)
    windows, held_out = make_datasets(recipe, train, validation, encoder, family)
    record["windows_sha256"] = hashlib.sha256(repr(windows.windows).encode()).hexdigest()
    trainer = AlignmentTrainer(
        teacher=encoder,
        sets=validation_sets(held_out),
        model=model,
        args=training_arguments(recipe, output, examples=len(windows), validates=held_out is not None, bf16=bf16),
        train_dataset=windows,
        eval_dataset=held_out,
        data_collator=collate,
    )
    checkpoint = begun_checkpoint(output, record)
    if trainer.is_world_process_zero():
        write_records(recipe, output, record)
        fill_caches({"training": windows, "validation": held_out}, progress)
    trainer.accelerator.wait_for_everyone()
    trainer.report_to(progress)
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.evaluate_at_end("eval_unexplained_clean")
    if trainer.is_world_process_zero():
        summary = {"seconds": round(time.perf_counter() - started, 1), "resumed": checkpoint is not None}
        write_json(output / "log.json", {"summary": summary, "history": trainer.state.log_history})
        beside = {name: (output / name).read_bytes() for name in ("recipe.json", "data.json", "environment.json", "log.json")}
        save_student(model, final, source=recipe.start, beside=beside)
    trainer.accelerator.wait_for_everyone()
    return final


def refuse_unfit(recipe: AlignmentRecipe) -> None:
    """Refuse a teacher or a checkpoint whose states cannot be compared.

    Raises:
        UserError: which of them it is, and why.
    """
    teacher, start = load_config(recipe.teacher), recipe.student.checkpoint
    if teacher.model_type != "whisper":
        raise UserError(f"teacher: {recipe.teacher!r} is a {teacher.model_type!r} model (allowed: Whisper)")
    if start is None:
        return
    if recipe.student.encoder_layers is not None or recipe.student.window_seconds is not None:
        raise UserError(f"student: encoder_layers and window_seconds are those of student.checkpoint {start!r}; leave them out")
    mine = load_config(start)
    for key in ("model_type", "d_model", "num_mel_bins"):
        ours, theirs = getattr(mine, key, None), getattr(teacher, key)
        if ours != theirs:
            raise UserError(
                f"student.checkpoint: {start!r} has {key} {ours!r}, teacher {recipe.teacher!r} {theirs!r}: states cannot be compared"
            )
    if mine.max_source_positions > teacher.max_source_positions:
        raise UserError(f"student.checkpoint: {start!r} has a longer window than teacher {recipe.teacher!r}")


def refuse_changed_timing(examples: Sequence[Example]) -> None:
    """Refuse a condition that makes speech longer or shorter, so that the student's states and the teacher's would drift apart.

    Raises:
        UserError: it names the condition.
    """
    for example in {example.condition.id: example for example in examples if example.condition.chain}.values():
        if abs(len(example.samples()) - len(example.clean.samples())) > SAMPLING_RATE // 50:
            raise UserError(f"data.conditions: {example.condition.id!r} changes how long speech is (allowed: those that keep its timing)")


def make_datasets(
    recipe: AlignmentRecipe, train: list[Example], validation: list[Example], encoder: FrozenEncoder, family: Any
) -> tuple[WindowDataset, WindowDataset | None]:
    """Return windows to train on, and utterances to validate on, each alone, clean and (where there is a suite) perturbed."""
    rng = np.random.default_rng(recipe.seed)
    count = sum(example.variant == 0 for example in train)
    lengths = [length_in_samples(example) for example in train[:count]]
    shortest, longest = (round(seconds * SAMPLING_RATE) for seconds in recipe.packing.pause_s)
    windows = pack(lengths, round(family.window_s * SAMPLING_RATE), pause=(shortest, longest), rng=rng)
    windows += alone(rng.permutation(count)[: round(recipe.packing.alone * count)].tolist())

    def dataset(windows: list[Window], examples: list[Example]) -> WindowDataset:
        size = sum(example.variant == 0 for example in examples)
        ways = [examples[first : first + size] for first in range(0, len(examples), size)]
        return WindowDataset(windows, ways, teacher_hears=recipe.data.teacher_hears, teacher=encoder, frontend=family.frontend)

    if not validation:
        return dataset(windows, train), None
    once = recipe.data.model_copy(update={"variants": 1})
    heard = make_examples([example.utterance for example in validation], once, family.labels, recipe.seed)
    heard = [replace(example, talkers=train[-1].talkers) for example in heard]  # babble needs more speakers than a dev set may have
    return dataset(windows, train), dataset(alone(range(len(validation))), heard)


def validation_sets(held_out: WindowDataset | None) -> dict[str, Subset[dict[str, Any]]]:
    """Return the ways of hearing the validation speakers by name."""
    if held_out is None:
        return {}
    count = len(held_out.windows)
    names = ("clean", "perturbed")[: len(held_out.heard)]
    return {name: Subset(held_out, range(way * count, (way + 1) * count)) for way, name in enumerate(names)}
