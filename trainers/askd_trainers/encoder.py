"""Trains a smaller encoder: its states are regressed on those of the teacher's encoder, before any decoder is trained.

An encoder whose layers were left out gives states that no decoder understands, and word labels are a poor guide back: some ten tokens an
utterance. The teacher's states are 50 vectors a second. With `data.teacher_hears = "clean"` the student hears noise, rooms and lines where
the teacher hears the clean utterance: it learns to undo them.

Sources: matching of hidden states by mean squared error as in DistilBERT and, as an ablation, Distil-Whisper (Gandhi et al. 2023); states
of clean speech as targets for perturbed speech as in RobustDistiller (Guimarães et al., arXiv 2302.09437). Here it is the encoder's last
states alone, and utterances are packed into windows (`windows.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator
from torch.utils.data import Subset

from askd_bench.errors import UserError
from askd_bench.paths import cache_path
from askd_bench.types import SAMPLING_RATE
from askd_trainers.data.encoder_states import FrozenEncoder, StateCache
from askd_trainers.data.examples import Example, make_examples
from askd_trainers.data.windows import Window, WindowDataset, alone, collate, length_in_samples, pack
from askd_trainers.environment import resolve_precision
from askd_trainers.families.choose import load_of
from askd_trainers.families.whisper import WhisperFamily, whisper_frontend
from askd_trainers.recipe import BaseRecipe, Section
from askd_trainers.session import Prepared, Training, train
from askd_trainers.students.locate import load_config
from askd_trainers.trainer.arguments import training_arguments
from askd_trainers.trainer.regression import StateRegression
from askd_trainers.trainer.resumable import Progress
from askd_trainers.training_data import load_data


class Packing(Section):
    """How training utterances are laid into windows.

    Attributes:
        pause_s: the shortest and the longest silence between two.
        alone: share of the utterances that also have a window of their own, as in use.
    """

    pause_s: tuple[float, float] = (0.1, 0.6)
    alone: float = Field(0.35, ge=0, le=1)

    @field_validator("pause_s")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1]:
            raise ValueError("must be two lengths, the shorter first, neither negative")
        return value


class EncoderRecipe(BaseRecipe):
    """What decides the training of an encoder; `student.trainable` has no meaning here: the encoder is trained, and nothing else."""

    packing: Packing = Packing()


class EncoderTraining(Training[EncoderRecipe]):
    """A student's encoder, alone."""

    figure = "eval_unexplained_clean"

    def prepare(self, recipe: EncoderRecipe, output: Path) -> Prepared[EncoderRecipe]:
        """Load models and data, and refuse states that cannot be compared; see `Distillation.prepare`."""
        refuse_unfit(recipe)
        models = load_of(WhisperFamily, recipe)
        models.student.requires_grad_(False)
        models.student.model.encoder.requires_grad_(True)
        train, validation, record = load_data(recipe, models)
        refuse_changed_timing(train)
        bf16 = resolve_precision(recipe)
        limit = int(recipe.runtime.cache_gb * 2**30)
        cache = StateCache(cache_path("encoder-states"), limit) if limit else None
        family: Any = models.family
        encoder = FrozenEncoder(models.teacher.model.encoder, whisper_frontend(family.processor, models.teacher.config), cache, bf16=bf16)
        windows, held_out = make_datasets(recipe, train, validation, encoder, family)
        record["windows_sha256"] = hashlib.sha256(repr(windows.windows).encode()).hexdigest()
        options: dict[str, Any] = {
            "model": models.student,
            "args": training_arguments(recipe, output, examples=len(windows), validates=held_out is not None, bf16=bf16),
            "train_dataset": windows,
            "eval_dataset": held_out,
            "data_collator": collate,
        }
        trainer = StateRegression(teacher=encoder, sets=validation_sets(held_out), **options)
        encoders: dict[str, FrozenEncoder | None] = {"student": None, "teacher": encoder}
        return Prepared(recipe, output, family, models.student, models.teacher, windows, held_out, encoders, trainer, record)


def train_encoder(recipe: EncoderRecipe, output: Path, *, student: Path | None = None, progress: Progress | None = None) -> Path:
    """Train an encoder, or go on with it; return the folder of the student. See `askd_trainers.session.train`.

    The student has the teacher's decoder layers that its recipe copies, not trained yet: it is what a recipe of `askd-train run` starts
    from (`student.checkpoint`), and no recogniser.
    """
    return train(EncoderTraining(), recipe, output, student=student, progress=progress)


def refuse_unfit(recipe: EncoderRecipe) -> None:
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
    recipe: EncoderRecipe, train: list[Example], validation: list[Example], encoder: FrozenEncoder, family: Any
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
    sounding = make_examples([example.utterance for example in validation], once, family.labels, recipe.seed)
    sounding = [replace(example, talkers=train[-1].talkers) for example in sounding]  # babble: a dev set may have too few speakers
    return dataset(windows, train), dataset(alone(range(len(validation))), sounding)


def validation_sets(held_out: WindowDataset | None) -> dict[str, Subset[dict[str, Any]]]:
    """Return the views of the validation speakers by name."""
    if held_out is None:
        return {}
    count = len(held_out.windows)
    names = ("clean", "perturbed")[: len(held_out.views)]
    return {name: Subset(held_out, range(way * count, (way + 1) * count)) for way, name in enumerate(names)}
