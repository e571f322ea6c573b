"""From a `--model` argument to a transcriber: the checkpoint's own configuration decides the adapter, never its name."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from huggingface_hub.errors import StrictDataclassError
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from transformers import AutoConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError, unknown_name
from askd_bench.models.base import ModelCard, Transcriber
from askd_bench.models.names import bundled_models
from askd_bench.models.size import weights_bytes, whisper_macs_per_second
from askd_bench.models.whisper import WhisperTranscriber
from askd_bench.types import SAMPLING_RATE

TASKS = ("transcribe", "translate")
_UNREADABLE = (OSError, ValueError, RuntimeError, TypeError, LookupError, EOFError, UnpicklingError, SafetensorError, StrictDataclassError)
"""What the libraries raise where files are missing, cut, or not what their names say."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_transcriber(
    model: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    language: str = "en",
    task: str = "transcribe",
    num_beams: int = 1,
) -> Transcriber:
    """Load a checkpoint.

    Args:
        model: a bundled checkpoint's name, a folder, or a Hub id with an optional `@revision`. Only a Hub id is ever fetched.
        dtype: "float32", "bfloat16", "float16", or "auto": float16 on a GPU, float32 on a CPU.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": the GPU where there is one.
        threads: of the CPU; None for all cores.
        language: two-letter code; English-only checkpoints allow "en" alone.
        task: "transcribe" or "translate".
        num_beams: 1 is greedy.

    Raises:
        UserError: the model is unknown, unreadable or not a speech recogniser we can run; an option is out of range.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # says every retry without a network; the error says it once
    if dtype not in (*_DTYPES, "auto"):
        raise unknown_name("dtype", dtype, [*_DTYPES, "auto"])
    for option, value in (("num_beams", num_beams), ("threads", threads)):
        if value is not None and value < 1:
            raise UserError(f"{option}: {value} is out of range (allowed: 1 or more)")
    if task not in TASKS:
        raise unknown_name("task", task, TASKS)
    torch_device = _device(device)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    source, revision, name = _locate(model)
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
    except _UNREADABLE as error:
        raise UserError(f"model: {model!r} has no readable configuration: {_one_line(error)}") from None
    if config.model_type != "whisper":
        raise UserError(
            f"model: {model!r} is a {config.model_type!r} checkpoint, not a speech recogniser this version runs (allowed: whisper)"
        )
    try:
        loaded, report = WhisperForConditionalGeneration.from_pretrained(
            source, revision=revision, dtype="auto", use_safetensors=None, ignore_mismatched_sizes=True, output_loading_info=True
        )
        tokenizer = WhisperTokenizer.from_pretrained(source, revision=revision)
        extractor = WhisperFeatureExtractor.from_pretrained(source, revision=revision)
    except _UNREADABLE as error:
        raise UserError(f"model: {model!r} cannot be loaded: {_one_line(error)}") from None
    _check_weights(model, loaded, report)
    if extractor.feature_size != config.num_mel_bins or extractor.sampling_rate != SAMPLING_RATE:
        raise UserError(
            f"model: {model!r} has a feature extractor of {extractor.feature_size} mel bands at {extractor.sampling_rate} Hz "
            f"(allowed: {config.num_mel_bins}, as its weights expect, at {SAMPLING_RATE} Hz)"
        )
    chosen = (torch.float16 if torch_device.type == "cuda" else torch.float32) if dtype == "auto" else _DTYPES[dtype]
    digest, stored_bytes = weights_sha256(loaded), weights_bytes(loaded)
    loaded = loaded.to(device=torch_device, dtype=chosen).eval()
    card = ModelCard(
        id=name,
        source=model,
        architecture=type(loaded).__name__,
        parameters=sum(parameter.numel() for parameter in loaded.parameters()),
        weights_bytes=stored_bytes,
        macs_per_second=whisper_macs_per_second(config, hop_length=extractor.hop_length),
        weights_sha256=digest,
        decoding={"language": language, "task": task, "num_beams": num_beams, "temperature": 0.0, "timestamps": False},
        dtype=str(chosen).removeprefix("torch."),
        device=torch_device.type,
        threads=torch.get_num_threads(),
    )
    return WhisperTranscriber(loaded, tokenizer, extractor, card, language=language, task=task, num_beams=num_beams)


def weights_sha256(model: torch.nn.Module) -> str:
    """Return the digest of all tensors' names, types, shapes and bytes, independent of how files are cut."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_weights(model: str, loaded: torch.nn.Module, report: Mapping[str, Iterable[object]]) -> None:
    """Refuse weights that do not fit the configuration: transformers fills the gaps with random numbers, which must not be scored."""
    unfit = sorted({key if isinstance(key, str) else str(key[0]) for kind in ("missing_keys", "mismatched_keys") for key in report[kind]})  # type: ignore[index]
    if unfit:
        raise UserError(
            f"model: {model!r} lacks {len(unfit)} of the tensors that its config.json asks for, e.g. {unfit[0]} "
            "(allowed: the weights of a WhisperForConditionalGeneration, adapters merged)"
        )
    broken = next((name for name, tensor in loaded.state_dict().items() if not torch.isfinite(tensor).all()), None)
    if broken is not None:
        raise UserError(f"model: {model!r} holds values in {broken} that are not finite (allowed: numbers; has its training diverged?)")


def _locate(model: str) -> tuple[str, str | None, str]:
    """Return (folder or Hub id, revision, name for the result directory)."""
    bundled = bundled_models()
    if model in bundled:
        return str(bundled[model]), None, model
    path = Path(model).expanduser()
    if path.is_dir():
        return str(path), None, path.resolve().name
    if path.exists():
        raise UserError(f"model: {model!r} is a file (allowed: a folder with config.json and weights, a bundled name, a Hub id)")
    hub_id, _, revision = model.partition("@")
    if hub_id.count("/") != 1 or model.startswith((".", "/", "~")):
        raise unknown_name("model", model, bundled)
    return hub_id, revision or None, hub_id.replace("/", "--")


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UserError(f"device: {device!r} is unknown (allowed: auto, cpu, cuda, cuda:N, mps)") from None
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"device: {device!r} is unknown (allowed: auto, cpu, cuda, cuda:N, mps)")
    usable = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[chosen.type]
    if (chosen.index or 0) >= usable:
        raise UserError(f"device: {device!r} is not there (allowed here: {'auto, cuda' if torch.cuda.is_available() else 'auto, cpu'})")
    return chosen


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
