"""From a `--model` argument to a transcriber: the checkpoint's own configuration decides the adapter, never its name."""

import hashlib
import json
import os
from pathlib import Path

import torch
from transformers import AutoConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError, unknown_name
from askd_bench.models.base import ModelCard, Transcriber
from askd_bench.models.names import bundled_models
from askd_bench.models.whisper import WhisperTranscriber

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
    if dtype not in (*_DTYPES, "auto"):
        raise unknown_name("dtype", dtype, [*_DTYPES, "auto"])
    if num_beams < 1:
        raise UserError(f"num_beams: {num_beams} is out of range (allowed: 1 or more)")
    torch_device = _device(device)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    source, revision, name = _locate(model)
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"model: {model!r} has no readable configuration: {_first_line(error)}") from None
    if config.model_type != "whisper":
        raise UserError(
            f"model: {model!r} is a {config.model_type!r} checkpoint, not a speech recogniser this version runs (allowed: whisper)"
        )
    try:
        loaded = WhisperForConditionalGeneration.from_pretrained(source, revision=revision, dtype="auto", use_safetensors=None)
        tokenizer = WhisperTokenizer.from_pretrained(source, revision=revision)
        extractor = WhisperFeatureExtractor.from_pretrained(source, revision=revision)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"model: {model!r} cannot be loaded: {_first_line(error)}") from None
    chosen = (torch.float16 if torch_device.type == "cuda" else torch.float32) if dtype == "auto" else _DTYPES[dtype]
    digest = weights_sha256(loaded)
    loaded = loaded.to(device=torch_device, dtype=chosen).eval()
    card = ModelCard(
        id=name,
        source=model,
        architecture=type(loaded).__name__,
        parameters=sum(parameter.numel() for parameter in loaded.parameters()),
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
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device: {device!r} was asked for, but there is no usable GPU (allowed here: auto, cpu)")
    return chosen


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
