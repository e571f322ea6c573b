"""New students as folders, and folders that stand alone of those that share weights."""

from pathlib import Path

import torch
from transformers import AutoModelForCTC, WhisperForConditionalGeneration
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import one_line
from askd_trainers.students.layers import ctc_student, whisper_student
from askd_trainers.students.locate import load_config, locate, refuse_occupied
from askd_trainers.students.save import save_student


def init_student(
    teacher: str,
    out: Path,
    *,
    decoder_layers: int | None = None,
    encoder_layers: int | None = None,
    window_seconds: float | None = None,
    dtype: torch.dtype = torch.float16,
    shared_weights: bool = False,
) -> bool:
    """Write a new student to `out` as a plain `from_pretrained` folder; return whether it shares the teacher's frozen shard.

    Args:
        teacher: a Whisper or a CTC model.
        out: a new or empty folder.
        decoder_layers, window_seconds: of a Whisper; None for 2 layers and the teacher's window.
        encoder_layers: None for all.
        dtype: of the weights on disk.
        shared_weights: see `save_student`.

    Raises:
        UserError: the teacher cannot be read, a number is out of range, or `out` holds something already.
    """
    refuse_occupied(out, "out")
    transformers_logging.disable_progress_bar()
    config = load_config(teacher)
    whisper = config.model_type == "whisper"
    for name, value in (("decoder_layers", decoder_layers), ("window_seconds", window_seconds)):
        if value is not None and not whisper:
            raise UserError(f"{name}: {value:g} has no meaning for {teacher!r}, a {config.model_type!r} model (allowed: encoder_layers)")
    try:
        source = (WhisperForConditionalGeneration if whisper else AutoModelForCTC).from_pretrained(
            locate(teacher), dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:
        raise UserError(f"teacher: {teacher!r} cannot be loaded: {one_line(error)}") from error
    student = (
        whisper_student(
            source,
            decoder_layers=2 if decoder_layers is None else decoder_layers,
            encoder_layers=encoder_layers,
            window_seconds=window_seconds,
        )
        if whisper
        else ctc_student(source, encoder_layers=encoder_layers)
    )
    return save_student(student, out, source=teacher, dtype=dtype, shared_weights=shared_weights)


def export_student(student: str, out: Path) -> None:
    """Write a student to `out` as a folder that stands alone, with all files beside its weights.

    Args:
        student: bundled checkpoint, folder, or Hub id.
        out: a new or empty folder.

    Raises:
        UserError: the student cannot be read, e.g. as the folder that it shares weights with is not beside it.
    """
    refuse_occupied(out, "out")
    transformers_logging.disable_progress_bar()
    kind = WhisperForConditionalGeneration if load_config(student).model_type == "whisper" else AutoModelForCTC
    source = Path(locate(student))
    try:
        model = kind.from_pretrained(str(source), dtype="auto", trust_remote_code=False)
    except Exception as error:
        raise UserError(f"student: {student!r} cannot be loaded: {one_line(error)}") from error
    kept = source.glob("*") if source.is_dir() else ()
    beside = {file.name: file.read_bytes() for file in kept if file.is_file() and file.suffix in (".json", ".png", ".md")}
    for name in ("config.json", "generation_config.json", "model.safetensors.index.json"):
        beside.pop(name, None)
    save_student(model, out, source=student, dtype=model.dtype, beside=beside)
