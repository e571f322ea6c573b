"""Students as exports for CTranslate2, with what its converter leaves behind."""

import json
import shutil
from pathlib import Path

from transformers import PretrainedConfig
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_bench.models.audio_context import CONFIG_FIELD
from askd_bench.models.checkpoint import one_line
from askd_bench.models.exports.shared import import_runtime
from askd_trainers.students.locate import load_config, locate, refuse_occupied

_COMPANIONS = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "README.md", "LICENSE")


def export_ctranslate2(student: str, out: Path, *, quantization: str = "int8") -> None:
    """Write a Whisper checkpoint to `out` as `askd-bench run --model ctranslate2:OUT` and faster-whisper read it; whole or not at all.

    The conversion is CTranslate2's own (https://opennmt.net/CTranslate2/guides/transformers.html). Its config.json lacks the
    checkpoint's `audio_context`, without which the export would run at full context: it is added.

    Args:
        student: bundled checkpoint, folder, or Hub id.
        out: a new or empty folder.
        quantization: type of the weights on disk, one of CTranslate2's.

    Raises:
        UserError: the student cannot be read or is no Whisper, the package is missing, the type is unknown, or `out` holds something.
    """
    refuse_occupied(out, "out")
    transformers_logging.disable_progress_bar()
    config = load_config(student)
    if config.model_type != "whisper":
        raise UserError(f"student: {student!r} is a {config.model_type!r} model (allowed: a Whisper)")
    [specs, converters] = import_runtime(student, "faster-whisper", "ctranslate2.specs.model_spec", "ctranslate2.converters")
    if quantization not in specs.ACCEPTED_MODEL_TYPES:
        raise UserError(f"ctranslate2: {quantization!r} is no type of its weights (allowed: {', '.join(specs.ACCEPTED_MODEL_TYPES)})")
    source = Path(locate(student))
    temporary = out.with_name(out.name + ".part")
    try:
        converter = converters.TransformersConverter(str(source), copy_files=[name for name in _COMPANIONS if (source / name).is_file()])
        converter.convert(str(temporary), quantization=quantization, force=True)
        _add_context(temporary / "config.json", config)
        if out.exists():
            out.rmdir()
        temporary.replace(out)
    except Exception as error:  # a stranger's checkpoint may fail anywhere in the converter
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"student: {student!r} cannot be exported for CTranslate2: {one_line(error)}") from error


def _add_context(file: Path, config: PretrainedConfig) -> None:
    context = getattr(config, CONFIG_FIELD, None)
    if context is not None:
        file.write_text(json.dumps(json.loads(file.read_text()) | {CONFIG_FIELD: context}, indent=2) + "\n")
