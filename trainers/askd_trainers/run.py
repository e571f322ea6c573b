"""Trains one recipe: reads, checks and refuses first, then caches, trains, and leaves a student with all that it was made from."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoProcessor, WhisperProcessor, set_seed
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_bench.models.audio_context import CONFIG_FIELD, AudioContext, from_config
from askd_bench.paths import cache_path
from askd_bench.types import SAMPLING_RATE
from askd_trainers.arguments import training_arguments
from askd_trainers.begun import begun_checkpoint, fill_caches, refuse_other_run, write_records
from askd_trainers.ctc import CtcFamily
from askd_trainers.curves import plot_curves
from askd_trainers.data import Collator, SpeechDataset, describe, make_examples, read_utterances, usable
from askd_trainers.encoder_states import FrozenEncoder, StateCache
from askd_trainers.environment import environment, resolve_precision
from askd_trainers.files import write_json
from askd_trainers.guard import AudioHashes, corpora_of_suites, refuse_overlap
from askd_trainers.model_card import model_card
from askd_trainers.recipe import BaseRecipe, Recipe
from askd_trainers.resumable import Progress
from askd_trainers.student import ctc_student, load_config, locate, refuse_occupied, save_student, set_trainable, whisper_student
from askd_trainers.trainer import DistillationTrainer
from askd_trainers.whisper import WhisperFamily, whisper_frontend


@dataclass
class Prepared:
    """A run that is ready to start."""

    recipe: Recipe
    output: Path
    family: Any
    student: Any
    teacher: Any
    train: SpeechDataset
    validation: SpeechDataset | None
    encoders: dict[str, FrozenEncoder | None]
    trainer: DistillationTrainer
    data_record: dict[str, Any]


def prepare(recipe: Recipe, output: Path) -> Prepared:
    """Load models and data, and refuse what cannot or must not be trained.

    Raises:
        UserError: an unreadable checkpoint, corpus or recording; vocabularies that differ; labels too long; a speaker or recording that a
            suite tests on, a speaker that is validated on; batch sizes that do not fit.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    set_seed(recipe.seed)
    family, student, teacher = load_models(recipe)
    train, validation, record = load_data(recipe, family, student)
    bf16 = resolve_precision(recipe)
    encoders = make_encoders(recipe, family, student, teacher, bf16)
    hears = recipe.data.teacher_hears
    datasets = [SpeechDataset(examples, encoders, family.features, teacher_hears=hears) for examples in (train, validation) if examples]
    trainer = make_trainer(recipe, output, family, student, teacher, encoders, datasets, bf16)
    return Prepared(recipe, output, family, student, teacher, datasets[0], datasets[1] if validation else None, encoders, trainer, record)


def load_models(recipe: Recipe) -> tuple[Any, Any, Any]:
    """Return the family, the student with its frozen parts frozen, and the teacher (None where the objective has none)."""
    wanted = load_config(recipe.teacher)
    whisper = recipe.family == "whisper"
    if (wanted.model_type == "whisper") != whisper:
        raise UserError(f"family: {recipe.family!r} does not fit teacher {recipe.teacher!r}, a {wanted.model_type!r} model")
    start = recipe.student.checkpoint
    if start is not None and recipe.objective.teacher is not None:
        theirs = load_config(start).vocab_size
        if theirs != wanted.vocab_size:
            raise UserError(
                f"student.checkpoint: {start!r} has a vocabulary of {theirs}, teacher {recipe.teacher!r} one of {wanted.vocab_size}: "
                "logits cannot be compared; train it on the teacher's transcripts instead (askd-train pseudo-label, then the 'ce' recipe)"
            )
    family, student, teacher = load_whisper(recipe) if whisper else load_ctc(recipe)
    set_trainable(student, recipe.student.trainable)
    return family, student, teacher if recipe.objective.teacher is not None else None


def load_whisper(recipe: BaseRecipe) -> tuple[WhisperFamily, Any, Any]:
    """Return the family, the student and the teacher, both whole and in float32."""
    with _readable():
        teacher = WhisperFamily.load(locate(recipe.teacher))
        processor = WhisperProcessor.from_pretrained(locate(recipe.start))
        options = recipe.student.model_dump(include={"decoder_layers", "encoder_layers", "window_seconds"})
        start = recipe.student.checkpoint
        student = whisper_student(teacher, **options) if start is None else WhisperFamily.load(locate(start))
    wanted = recipe.student.audio_context
    context = from_config(student.config) if wanted is None else AudioContext(**wanted.model_dump())
    if context is not None:
        setattr(student.config, CONFIG_FIELD, context.to_config())
    family = WhisperFamily(processor, student.config, language=recipe.data.language, task=recipe.data.task, audio_context=context)
    family.prepare(student)
    family.prepare(teacher)
    return family, student, teacher


def load_ctc(recipe: BaseRecipe) -> tuple[CtcFamily, Any, Any]:
    """Return the family, the student and the teacher, both whole and in float32."""
    with _readable():
        teacher = CtcFamily.load(locate(recipe.teacher))
        processor = AutoProcessor.from_pretrained(locate(recipe.start))
        start = recipe.student.checkpoint
        student = ctc_student(teacher, encoder_layers=recipe.student.encoder_layers) if start is None else CtcFamily.load(locate(start))
    return CtcFamily(processor), student, teacher


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"teacher, student.checkpoint: cannot be loaded: {str(error).splitlines()[0]}") from error


def load_data(recipe: BaseRecipe, family: Any, student: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return training and validation examples, and the record of what they are."""
    data = recipe.data
    longest = min(data.max_duration_s or family.window_s, family.window_s)
    audio = cache_path("training-audio")
    found = read_utterances(data.train, split=data.train_split, limit=data.max_train_utterances, audio_folder=audio)
    utterances, dropped = usable(found, max_duration_s=longest)
    if not utterances:
        raise UserError(f"data.train: no utterance is left of {len(found)}: {dropped}")
    refuse_overlap(utterances, corpora_of_suites(data.guard_suites), AudioHashes(cache_path("audio-hashes.json")))
    train = make_examples(utterances, data, family.labels, recipe.seed)
    validation = []
    if data.validation is not None:
        heard = read_utterances((data.validation,), split=data.validation_split, limit=data.max_validation_utterances, audio_folder=audio)
        plain = data.model_copy(update={"suite": None})
        validation = make_examples(usable(heard, max_duration_s=longest)[0], plain, family.labels, recipe.seed)
        taught = {u.speaker for u in utterances if u.speaker}
        known = next((e.utterance.speaker for e in validation if e.utterance.speaker in taught), None)
        if known is not None:
            raise UserError(
                f"data.validation: speaker {known!r} is in data.train too; validate on others, or not at all (data.validation=)"
            )
    for example in (*train, *validation):
        family.check_labels(student, example.labels, example.id)
    return train, validation, describe(train, dropped)


def make_encoders(recipe: Recipe, family: Any, student: Any, teacher: Any, bf16: bool) -> dict[str, FrozenEncoder | None]:
    """Return who needs which encoder states: one frozen encoder for both, two, or the teacher's alone."""
    if recipe.family == "ctc":
        return {"student": None}
    limit = int(recipe.runtime.cache_gb * 2**30)
    cache = StateCache(cache_path("encoder-states"), limit) if limit else None

    def frozen(model: Any) -> FrozenEncoder:
        return FrozenEncoder(model.model.encoder, whisper_frontend(family.processor, model.config), cache, bf16=bf16)

    mine = frozen(student) if recipe.student.trainable != "all" else None
    encoders = {"student": mine}
    if recipe.objective.self_teacher is not None and recipe.objective.self_teacher.hears == "clean":
        encoders["self_teacher"] = mine
    if teacher is None:
        return encoders
    context = from_config(teacher.config)
    if context is not None:  # its states are cheap, and of as many positions as the batch has
        if context != family.audio_context:
            raise UserError(
                f"teacher: its audio context {context} is not the student's, {family.audio_context} (allowed: the same, or none)"
            )
        return encoders | {"teacher": None}
    theirs = frozen(teacher)
    if mine is not None and mine.fingerprint == theirs.fingerprint:
        return encoders if recipe.data.teacher_hears == "same" else encoders | {"teacher": mine}
    return encoders | {"teacher": theirs}


def make_trainer(
    recipe: Recipe, output: Path, family: Any, student: Any, teacher: Any, encoders: Any, datasets: list[SpeechDataset], bf16: bool
) -> DistillationTrainer:
    """Return the trainer; the effective batch is the recipe's, whatever the number of processes."""
    arguments = training_arguments(recipe, output, examples=len(datasets[0]), validates=len(datasets) > 1, bf16=bf16)
    arguments.ddp_find_unused_parameters = recipe.family == "ctc"  # wav2vec 2.0's mask embedding may go unused
    train = datasets[0]
    return DistillationTrainer(
        family=family,
        teacher=teacher,
        encoders=encoders,
        objective=recipe.objective,
        total_steps=recipe.optimisation.steps,
        augment=recipe.data.augment,
        encoder_learning_rate=recipe.optimisation.encoder_learning_rate,
        lengths=[round((e.utterance.duration_s or 0.0) * SAMPLING_RATE) for e in train.examples]
        if recipe.optimisation.group_by_length
        else None,
        utterance_id=lambda index: train.examples[index].id,
        model=student,
        args=arguments,
        train_dataset=train,
        eval_dataset=datasets[1] if len(datasets) > 1 else None,
        data_collator=Collator(family.collate_labels, family.collate_features),
    )


def train_recipe(recipe: Recipe, output: Path, *, student: Path | None = None, progress: Progress | None = None) -> Path:
    """Train, or continue from the newest whole checkpoint in `output`; return the folder of the student.

    The folder of the run then holds `recipe.json` (resolved), `data.json`, `environment.json`, `log.json`, `curves.png`, TensorBoard's
    files and the student, in a folder of its own name (or in `student`), with a model card.

    Raises:
        UserError: see `prepare`; a run of another recipe or on other data is in `output`, or something else is where the student goes.
    """
    final = student or output / recipe.student_name
    refuse_other_run(recipe, output, final)
    if (final / "recipe.json").is_file():
        return final
    refuse_occupied(final, "student")
    run = prepare(recipe, output)
    trainer = run.trainer
    checkpoint = begun_checkpoint(output, run.data_record)
    if trainer.is_world_process_zero():
        write_records(recipe, output, run.data_record)
        fill_caches({"training": run.train, "validation": run.validation}, progress)
    trainer.accelerator.wait_for_everyone()
    trainer.report_to(progress)
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.evaluate_at_end("eval_wer")
    if trainer.is_world_process_zero():
        summary = {"seconds": round(time.perf_counter() - started, 1), "resumed": checkpoint is not None}
        write_json(output / "log.json", {"summary": summary, "history": trainer.state.log_history})
        plot_curves(trainer.state.log_history, output / "curves.png", title=f"{recipe.arm}, seed {recipe.seed}")
        beside = {name: (output / name).read_bytes() for name in ("recipe.json", "data.json", "environment.json", "log.json", "curves.png")}
        card = model_card(final.name, recipe, run.data_record, trainer.state.log_history, environment(recipe))
        save_student(run.student, final, source=recipe.start, beside=beside | {"README.md": card.encode()})
    trainer.accelerator.wait_for_everyone()
    return final
