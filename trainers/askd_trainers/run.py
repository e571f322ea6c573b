"""Trains one recipe: reads, checks and refuses first, then caches, trains, and leaves a student with all that it was made from."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor, Seq2SeqTrainingArguments, WhisperProcessor, set_seed
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_trainers.checkpoints import last_checkpoint
from askd_trainers.ctc import CtcFamily
from askd_trainers.curves import plot_curves
from askd_trainers.data import Collator, SpeechDataset, describe, make_examples, read_utterances, usable
from askd_trainers.encoder_states import FrozenEncoder, StateCache
from askd_trainers.environment import default_cache, environment, resolve_precision
from askd_trainers.files import read_json, write_json
from askd_trainers.guard import AudioHashes, corpora_of_suites, refuse_overlap
from askd_trainers.model_card import model_card
from askd_trainers.recipe import Recipe
from askd_trainers.student import ctc_student, load_config, locate, refuse_occupied, save_student, set_trainable, whisper_student
from askd_trainers.trainer import DistillationTrainer
from askd_trainers.whisper import WhisperFamily, whisper_frontend

Progress = Callable[[str, int, int], None]


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
    datasets = [SpeechDataset(examples, encoders, family.features) for examples in (train, validation) if examples]
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
    kind = WhisperFamily if whisper else CtcFamily
    try:
        teacher = kind.load(locate(recipe.teacher))
        processor: Any = (WhisperProcessor if whisper else AutoProcessor).from_pretrained(locate(start or recipe.teacher))
        if start is not None:
            student = kind.load(locate(start))
        elif whisper:
            options = recipe.student.model_dump(include={"decoder_layers", "encoder_layers", "window_seconds"})
            student = whisper_student(teacher, **options)
        else:
            student = ctc_student(teacher, encoder_layers=recipe.student.encoder_layers)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"teacher, student.checkpoint: cannot be loaded: {str(error).splitlines()[0]}") from error
    set_trainable(student, recipe.student.trainable)
    family: Any
    if whisper:
        family = WhisperFamily(processor, student.config, language=recipe.data.language, task=recipe.data.task)
        family.prepare(student)
        family.prepare(teacher)
    else:
        family = CtcFamily(processor)
    return family, student, teacher if recipe.objective.teacher is not None else None


def load_data(recipe: Recipe, family: Any, student: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return training and validation examples, and the record of what they are."""
    data = recipe.data
    longest = min(data.max_duration_s or family.window_s, family.window_s)
    audio = default_cache().parent / "training-audio"
    found = read_utterances(data.train, split=data.train_split, limit=data.max_train_utterances, audio_folder=audio)
    utterances, dropped = usable(found, max_duration_s=longest)
    if not utterances:
        raise UserError(f"data.train: no utterance is left of {len(found)}: {dropped}")
    refuse_overlap(utterances, corpora_of_suites(data.guard_suites), AudioHashes(default_cache().parent / "audio-hashes.json"))
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
    cache = StateCache(default_cache(), limit) if limit else None

    def frozen(model: Any) -> FrozenEncoder:
        return FrozenEncoder(model.model.encoder, whisper_frontend(family.processor, model.config), cache, bf16=bf16)

    mine = frozen(student) if recipe.student.trainable != "all" else None
    if teacher is None:
        return {"student": mine}
    theirs = frozen(teacher)
    if mine is not None and mine.fingerprint == theirs.fingerprint:
        return {"student": mine}
    return {"student": mine, "teacher": theirs}


def make_trainer(
    recipe: Recipe, output: Path, family: Any, student: Any, teacher: Any, encoders: Any, datasets: list[SpeechDataset], bf16: bool
) -> DistillationTrainer:
    """Return the trainer; the effective batch is the recipe's, whatever the number of processes."""
    o, r = recipe.optimisation, recipe.runtime
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise UserError("accelerate: FSDP cannot be used: each device keeps student and self-teacher whole (allowed: one device, DDP)")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if o.batch_size % processes:
        raise UserError(f"optimisation.batch_size: {o.batch_size} cannot be shared by {processes} processes")
    share = o.batch_size // processes
    micro = min(o.micro_batch_size or share, share)
    if share % micro:
        raise UserError(f"optimisation.micro_batch_size: {micro} does not divide the {share} utterances of each process")
    train = datasets[0]
    if len(train) < o.batch_size:
        raise UserError(f"optimisation.batch_size: {o.batch_size} is more than the {len(train)} training examples")
    require_trackers(recipe)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output: {output} cannot be made: {error.strerror}") from error
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(output / "tensorboard")  # where transformers looks
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(output),
        max_steps=o.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        per_device_eval_batch_size=r.eval_batch_size,
        learning_rate=o.learning_rate,
        lr_scheduler_type=o.learning_rate_schedule,
        warmup_steps=o.warmup_steps,
        weight_decay=o.weight_decay,
        adam_beta1=o.adam_beta1,
        adam_beta2=o.adam_beta2,
        adam_epsilon=o.adam_epsilon,
        max_grad_norm=o.max_grad_norm,
        bf16=bf16,
        ddp_find_unused_parameters=recipe.family == "ctc",  # wav2vec 2.0's mask embedding may go unused
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_drop_last=True,
        dataloader_num_workers=r.workers,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_steps=r.log_steps,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if len(datasets) > 1 else "no",
        eval_steps=r.eval_steps,
        save_strategy="steps",
        save_steps=r.save_steps,
        save_total_limit=r.keep_checkpoints,
        report_to=list(r.trackers) or "none",
        disable_tqdm=True,
    )
    return DistillationTrainer(
        family=family,
        teacher=teacher,
        encoders=encoders,
        objective=recipe.objective,
        total_steps=o.steps,
        utterance_id=lambda index: train.examples[index].id,
        model=student,
        args=arguments,
        train_dataset=train,
        eval_dataset=datasets[1] if len(datasets) > 1 else None,
        data_collator=Collator(family.collate_labels, family.collate_features),
    )


def require_trackers(recipe: Recipe) -> None:
    """Refuse a tracker that is not installed."""
    missing = next((name for name in recipe.runtime.trackers if find_spec(name) is None), None)
    if missing is not None:
        raise UserError(f"runtime.trackers: {missing!r} is not installed; pip install {missing}")


def train_recipe(recipe: Recipe, output: Path, *, student: Path | None = None, progress: Progress | None = None) -> Path:
    """Train, or continue from the newest whole checkpoint in `output`; return the folder of the student.

    The folder of the run then holds `recipe.json` (resolved), `data.json`, `environment.json`, `log.json`, `curves.png`, TensorBoard's
    files and the student, in a folder of its own name (or in `student`), with a model card.

    Raises:
        UserError: see `prepare`; a run of another recipe or on other data is in `output`, or something else is where the student goes.
    """
    final = student or output / recipe.student_name
    if _begun(output):
        _refuse_other(recipe, output)
    _refuse_other(recipe, final)
    if (final / "recipe.json").is_file():
        return final
    refuse_occupied(final, "student")
    run = prepare(recipe, output)
    trainer = run.trainer
    checkpoint = last_checkpoint(output)
    if checkpoint and read_json(output / "data.json").get("sha256") != run.data_record["sha256"]:
        raise UserError(f"data.train: is not what the run in {output} was begun with (see data.json there); choose another folder")
    if trainer.is_world_process_zero():
        write_json(output / "recipe.json", recipe.model_dump(mode="json"))
        write_json(output / "data.json", run.data_record)
        write_json(output / "environment.json", environment(recipe))
        for name, dataset in (("training", run.train), ("validation", run.validation)):
            if dataset is not None:
                dataset.fill_cache(progress and (lambda done, total, name=name: progress(f"encoding {name}", done, total)))
    trainer.accelerator.wait_for_everyone()
    started = time.perf_counter()
    _train(trainer, checkpoint)
    if run.validation is not None and not _evaluated(trainer):
        trainer.evaluate()
    if trainer.is_world_process_zero():
        summary = {"seconds": round(time.perf_counter() - started, 1), "resumed": checkpoint is not None}
        write_json(output / "log.json", {"summary": summary, "history": trainer.state.log_history})
        plot_curves(trainer.state.log_history, output / "curves.png", title=f"{recipe.arm}, seed {recipe.seed}")
        beside = {name: (output / name).read_bytes() for name in ("recipe.json", "data.json", "environment.json", "log.json", "curves.png")}
        card = model_card(final.name, recipe, run.data_record, trainer.state.log_history, environment(recipe))
        save_student(run.student, final, source=recipe.start, beside=beside | {"README.md": card.encode()})
    trainer.accelerator.wait_for_everyone()
    return final


def _train(trainer: DistillationTrainer, checkpoint: Path | None) -> None:
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "wandb":
            raise
        raise UserError(
            f"runtime.trackers: 'wandb' cannot start: {' '.join(str(error).split())}; use `wandb login`, or set WANDB_MODE=offline"
        ) from error


def _evaluated(trainer: DistillationTrainer) -> bool:
    return any(entry.get("step") == trainer.state.global_step and "eval_wer" in entry for entry in trainer.state.log_history)


def _begun(output: Path) -> bool:
    """Return whether a run's folder holds something to continue: a run that failed before that may be begun again in any way."""
    return last_checkpoint(output) is not None or any(output.glob("*/recipe.json"))


def _refuse_other(recipe: Recipe, folder: Path) -> None:
    """Refuse to continue or to replace a run of another recipe; what changes cost only may differ."""
    known = folder / "recipe.json"
    if not known.is_file():
        return
    before, now = read_json(known), recipe.model_dump(mode="json")
    changed = [key for key in now if key != "runtime" and before.get(key) != now[key]]
    if changed:
        raise UserError(f"output: {folder} holds a run of another recipe (differs in {', '.join(changed)}); choose another folder")
