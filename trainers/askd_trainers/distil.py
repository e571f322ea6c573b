"""Distillation: a student trained by the terms of its recipe's objective. `session.py` does what all trainings share."""

from pathlib import Path
from typing import Any

import numpy as np

from askd_bench.paths import cache_path
from askd_bench.types import SAMPLING_RATE
from askd_trainers.data.batches import Collator, SpeechDataset
from askd_trainers.data.encoder_states import FrozenEncoder, StateCache
from askd_trainers.environment import environment, resolve_precision
from askd_trainers.families.base import Models
from askd_trainers.families.choose import load_models
from askd_trainers.recipe import Recipe
from askd_trainers.session import Prepared, Training, begin, train
from askd_trainers.students.model_card import model_card
from askd_trainers.trainer.arguments import training_arguments
from askd_trainers.trainer.curves import plot_curves
from askd_trainers.trainer.distillation import DistillationTrainer
from askd_trainers.trainer.resumable import Progress
from askd_trainers.training_data import load_data


class Distillation(Training[Recipe]):
    """A student with a teacher, an earlier self, or the references alone."""

    figure = "eval_wer"

    def prepare(self, recipe: Recipe, output: Path) -> Prepared[Recipe]:
        """Load models and data, and refuse what cannot or must not be trained.

        Raises:
            UserError: an unreadable checkpoint, corpus or recording; vocabularies that differ; labels too long; a speaker or recording
                that a suite tests on, a speaker that is validated on; batch sizes that do not fit.
        """
        models = load_models(recipe)
        train, validation, record = load_data(recipe, models)
        encoders = make_encoders(recipe, models, bf16=resolve_precision(recipe))
        features, hears = models.family.features, recipe.data.teacher_hears
        dataset = SpeechDataset(train, encoders, features, teacher_hears=hears)
        held_out = SpeechDataset(validation, encoders, features, teacher_hears=hears) if validation else None
        trainer = make_trainer(recipe, output, models, encoders, dataset, held_out)
        trainer.trained_on = sample_of_training(recipe, dataset) if validation else None
        teacher = models.teacher if recipe.objective.teacher is not None else None
        return Prepared(recipe, output, models.family, models.student, teacher, dataset, held_out, encoders, trainer, record)

    def describe(self, run: Prepared[Recipe], name: str) -> dict[str, bytes]:
        """Return curves and model card; the curves are left in the run's folder too."""
        recipe, history = run.recipe, run.trainer.state.log_history
        picture = run.output / "curves.png"
        plot_curves(history, picture, title=f"{recipe.arm}, seed {recipe.seed}")
        card = model_card(name, recipe, run.data_record, history, environment(recipe))
        return {"curves.png": picture.read_bytes(), "README.md": card.encode()}


def prepare(recipe: Recipe, output: Path) -> Prepared[Recipe]:
    """Return a run that is ready; see `Distillation.prepare`."""
    begin(recipe.seed)
    return Distillation().prepare(recipe, output)


def train_recipe(recipe: Recipe, output: Path, *, student: Path | None = None, progress: Progress | None = None) -> Path:
    """Train a student by a recipe, or go on with it; return its folder. See `askd_trainers.session.train`."""
    return train(Distillation(), recipe, output, student=student, progress=progress)


def make_encoders(recipe: Recipe, models: Models, *, bf16: bool) -> dict[str, FrozenEncoder | None]:
    """Return role -> whose states it needs, None for an encoder that runs in the step. Without "teacher" one encoder serves both."""
    limit = int(recipe.runtime.cache_gb * 2**30)
    cache = StateCache(cache_path("encoder-states"), limit) if limit else None
    objective, family = recipe.objective, models.family
    mine = family.frozen_encoder(models.student, cache, bf16=bf16) if recipe.student.trainable != "all" else None
    encoders = {"student": mine}
    if objective.self_teacher is not None and objective.self_teacher.hears == "clean":
        encoders["self_teacher"] = mine
    if objective.teacher is None:
        return encoders
    theirs = family.frozen_encoder(models.teacher, cache, bf16=bf16)
    same = theirs is None if mine is None else theirs is not None and mine.fingerprint == theirs.fingerprint
    masked = theirs is None and recipe.data.augment is not None  # for the student alone
    if same and recipe.data.teacher_hears == "same" and not masked:
        return encoders
    return encoders | {"teacher": mine if same else theirs}


def sample_of_training(recipe: Recipe, dataset: SpeechDataset) -> SpeechDataset | None:
    """Return clean training utterances as only the student takes them, the same for all arms and seeds; None where none are asked for."""
    clean = [example for example in dataset.examples if example.variant == 0]
    count = min(recipe.runtime.train_eval_utterances, len(clean))
    chosen = np.sort(np.random.default_rng(0).permutation(len(clean))[:count])
    if not count:
        return None
    return SpeechDataset([clean[i] for i in chosen], {"student": dataset.encoders["student"]}, dataset.features)


def make_trainer(
    recipe: Recipe,
    output: Path,
    models: Models,
    encoders: dict[str, FrozenEncoder | None],
    dataset: SpeechDataset,
    held_out: SpeechDataset | None,
) -> DistillationTrainer:
    """Return the trainer; the effective batch is the recipe's, whatever the number of processes."""
    family, optimisation = models.family, recipe.optimisation
    bf16 = resolve_precision(recipe)
    arguments = training_arguments(recipe, output, examples=len(dataset), validates=held_out is not None, bf16=bf16)
    arguments.ddp_find_unused_parameters = family.unused_parameters
    lengths = [round((example.utterance.duration_s or 0.0) * SAMPLING_RATE) for example in dataset.examples]
    options: dict[str, Any] = {
        "model": models.student,
        "args": arguments,
        "train_dataset": dataset,
        "eval_dataset": held_out,
        "data_collator": Collator(family.collate_labels, family.collate_features),
    }
    return DistillationTrainer(
        family=family,
        teacher=models.teacher if recipe.objective.teacher is not None else None,
        encoders=encoders,
        objective=recipe.objective,
        total_steps=optimisation.steps,
        augment=recipe.data.augment,
        repeats=recipe.data.repeats,
        encoder_learning_rate=optimisation.encoder_learning_rate,
        phase_b_rate=optimisation.phase_b_learning_rate,
        lengths=lengths if optimisation.group_by_length else None,
        utterance_id=lambda index: dataset.examples[index].id,
        **options,
    )
