"""From what names a model to a transcriber: a prefix names the runtime; of a checkpoint its own configuration does, never its name."""

from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from transformers import MODEL_FOR_CTC_MAPPING, MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING, WhisperConfig

from askd_bench.arguments import StrPath, wrong_type
from askd_bench.errors import UserError
from askd_bench.models.checkpoint import Checkpoint, one_line, open_checkpoint
from askd_bench.models.devices import say_dtype
from askd_bench.models.external.function import Recogniser, of_function
from askd_bench.models.names import bundled_models, is_ctranslate2_export
from askd_bench.models.protocol import Transcriber
from askd_bench.options import ModelOptions
from askd_bench.plugins import Plugin, plugins

Model = StrPath | Transcriber | Recogniser
"""What `run` takes for a model."""

RUNTIMES = {
    "ctranslate2": "askd_bench.models.exports.ctranslate2_whisper",
    "onnx": "askd_bench.models.exports.onnx_whisper",
    "python": "askd_bench.models.external.python_callable",
    "transcripts": "askd_bench.models.external.transcripts",
    "http": "askd_bench.models.external.http_transcriber",
    "https": "askd_bench.models.external.http_transcriber",
}
"""`--model` prefix -> the module whose `load(model, options)` makes the transcriber; each is imported only when asked for."""


def load_transcriber(model: Model, options: ModelOptions | None = None, **changes: Any) -> Transcriber:
    """Load a model in whatever runtime its argument names.

    Args:
        model: a bundled checkpoint's name, a folder, or a Hub id with an optional `@revision`, for transformers (for CTranslate2 where
            the folder holds its model.bin); or a runtime's prefix and what it takes: `ctranslate2:FOLDER`, `onnx:FOLDER`,
            `python:module:factory`, `transcripts:FILE.jsonl`, `http://...`; or a function from samples to text (see `external.function`);
            or a `Transcriber`, which is returned as it is.
        options: how to run it.
        changes: of single options.

    Raises:
        UserError: the model is unknown, unreadable or not a speech recogniser we can run; an option is out of range.
    """
    settings = ModelOptions.of(options, changes)
    if isinstance(model, Path):
        model = str(model)
    if not isinstance(model, str):
        return _of_object(model, settings)
    if is_ctranslate2_export(bundled_models().get(model, Path(model))):
        model = f"ctranslate2:{model}"
    prefix, colon, _ = model.partition(":")
    if colon and prefix in RUNTIMES:
        load: Callable[[str, ModelOptions], Transcriber] = import_module(RUNTIMES[prefix]).load
        return load(model, settings)
    if colon and prefix in (others := plugins("runtimes")):
        return _of_package(others[prefix], model, settings)
    checkpoint = open_checkpoint(model, trust_remote_code=settings.trust_remote_code)
    try:
        transcriber = _adapter(checkpoint)(checkpoint, settings)
    except UserError:
        raise
    except Exception as error:  # parts of a stranger's checkpoint that do not fit each other show anywhere
        raise UserError(f"model: {model!r} cannot be loaded: {type(error).__name__}: {one_line(error)}") from error
    say_dtype(settings)
    return transcriber


def _of_package(plugin: Plugin, model: str, options: ModelOptions) -> Transcriber:
    transcriber: object = plugin.call(plugin.load_as(callable, "a function load(model, options)"), model, options)
    if lacking := _lacking(transcriber):
        raise plugin.refused(f"gave {type(transcriber).__name__!r}, which lacks {', '.join(lacking)} (allowed: a Transcriber)")
    return cast("Transcriber", transcriber)


def _lacking(model: object) -> list[str]:
    return [name for name in ("card", "window_s", "frontend", "transcribe") if not hasattr(model, name)]


def _of_object(model: object, options: ModelOptions) -> Transcriber:
    lacking = _lacking(model)
    if not lacking:
        options.must_be_default(*(one.name for one in fields(ModelOptions)), model="a Transcriber, which is loaded already")
        return cast("Transcriber", model)
    if not callable(model) or isinstance(model, type):
        raise wrong_type(
            "model", model, "a name or path, a function from samples to text, or a Transcriber; it lacks " + ", ".join(lacking)
        )
    return of_function(model, options)


def _adapter(checkpoint: Checkpoint) -> Callable[[Checkpoint, ModelOptions], Transcriber]:
    config = type(checkpoint.config)
    if issubclass(config, WhisperConfig):
        return import_module("askd_bench.models.whisper.transcriber").load  # type: ignore[no-any-return]
    if config in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING:
        return import_module("askd_bench.models.transformers.seq2seq").load  # type: ignore[no-any-return]
    if config in MODEL_FOR_CTC_MAPPING:
        return import_module("askd_bench.models.transformers.ctc").load  # type: ignore[no-any-return]
    raise UserError(
        f"model: {checkpoint.argument!r} is a {checkpoint.config.model_type!r} checkpoint, not a speech recogniser that transformers runs "
        "(allowed: speech sequence-to-sequence and CTC models)"
    )
