"""From a recipe to its examples: read, checked against what is tested and validated on, and described."""

from pathlib import Path
from typing import Any

from askd_bench.errors import UserError
from askd_bench.paths import cache_path
from askd_trainers.data.examples import Example, describe, make_examples, read_utterances, usable
from askd_trainers.data.guard import AudioHashes, corpora_of_suites, refuse_overlap
from askd_trainers.families.base import Models
from askd_trainers.recipe import BaseRecipe


def load_data(recipe: BaseRecipe, models: Models) -> tuple[list[Example], list[Example], dict[str, Any]]:
    """Return training and validation examples, and the record of what they are.

    Raises:
        UserError: a corpus cannot be read or has nothing to train on, a speaker or recording is in a test split or validated on, or labels
            do not fit.
    """
    data, family = recipe.data, models.family
    longest = min(data.max_duration_s or family.window_s, family.window_s)
    audio = cache_path("training-audio")
    found = read_utterances(data.train, split=data.train_split, limit=data.max_train_utterances, audio_folder=audio)
    utterances, dropped = usable(found, max_duration_s=longest)
    if not utterances:
        raise UserError(f"data.train: no utterance is left of {len(found)}: {dropped}")
    refuse_overlap(utterances, corpora_of_suites(data.guard_suites), AudioHashes(cache_path("audio-hashes.json")))
    train = make_examples(utterances, data, family.labels, recipe.seed)
    validation = _validation(recipe, models, longest, audio)
    _refuse_known_speakers(train, validation)
    for example in (*train, *validation):
        family.check_labels(models.student, example.labels, example.id)
    return train, validation, describe(train, dropped)


def _validation(recipe: BaseRecipe, models: Models, longest: float, audio: Path) -> list[Example]:
    data = recipe.data
    if data.validation is None:
        return []
    read = read_utterances((data.validation,), split=data.validation_split, limit=data.max_validation_utterances, audio_folder=audio)
    clean = data.model_copy(update={"suite": None})
    return make_examples(usable(read, max_duration_s=longest)[0], clean, models.family.labels, recipe.seed)


def _refuse_known_speakers(train: list[Example], validation: list[Example]) -> None:
    taught = {example.utterance.speaker for example in train if example.utterance.speaker}
    known = next((example.utterance.speaker for example in validation if example.utterance.speaker in taught), None)
    if known is not None:
        raise UserError(f"data.validation: speaker {known!r} is in data.train too; validate on others, or not at all (data.validation=)")
