"""From a recipe to its models: the family goes by the recipe, and its checkpoints must fit."""

from typing import Any

from askd_bench.errors import UserError
from askd_trainers.families.base import Family, Models
from askd_trainers.families.ctc import CtcFamily
from askd_trainers.families.whisper import WhisperFamily
from askd_trainers.recipe import Recipe
from askd_trainers.students.layers import set_trainable
from askd_trainers.students.locate import load_config

FAMILIES: dict[str, type[Family]] = {"whisper": WhisperFamily, "ctc": CtcFamily}


def load_models(recipe: Recipe) -> Models:
    """Return family, student and teacher, the student's frozen parts frozen.

    Raises:
        UserError: a checkpoint cannot be loaded, is of another family, or has another vocabulary than its teacher.
    """
    kind = FAMILIES[recipe.family]
    wanted = load_config(recipe.teacher)
    if not _fits(kind, wanted):
        raise UserError(f"family: {recipe.family!r} does not fit teacher {recipe.teacher!r}, a {wanted.model_type!r} model")
    if recipe.objective.teacher is not None:
        _refuse_other_vocabulary(recipe, wanted)
    models = load_of(kind, recipe)
    set_trainable(models.student, recipe.student.trainable)
    return models


def load_of(kind: type[Family], recipe: Any) -> Models:
    """Return the models of a family; a checkpoint that cannot be loaded is one line."""
    try:
        return kind.load_models(recipe)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"teacher, student.checkpoint: cannot be loaded: {str(error).splitlines()[0]}") from error


def _fits(kind: type[Family], config: Any) -> bool:
    if kind.model_types is not None:
        return config.model_type in kind.model_types
    taken = {name for other in FAMILIES.values() for name in other.model_types or ()}
    return config.model_type not in taken


def _refuse_other_vocabulary(recipe: Recipe, wanted: Any) -> None:
    start = recipe.student.checkpoint
    theirs = wanted.vocab_size if start is None else load_config(start).vocab_size
    if theirs != wanted.vocab_size:
        raise UserError(
            f"student.checkpoint: {start!r} has a vocabulary of {theirs}, teacher {recipe.teacher!r} one of {wanted.vocab_size}: "
            "logits cannot be compared; train it on the teacher's transcripts instead (askd-train pseudo-label, then the 'ce' recipe)"
        )
