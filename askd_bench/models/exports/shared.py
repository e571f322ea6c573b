"""What adapters of exported Whisper checkpoints share: finding the runtime, the folder and the device, and the card."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PretrainedConfig, WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import one_line
from askd_bench.models.features.log_mel import of_equal_length
from askd_bench.models.names import bundled_models
from askd_bench.models.protocol import Features
from askd_bench.models.whisper.parts import WhisperParts
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Transcription

_OUT_OF_MEMORY = ("could not create a memory object", "Failed to allocate", "bad_alloc", "out of memory")


def import_runtime(model: str, extra: str, *packages: str) -> list[Any]:
    """Return the modules of a runtime.

    Raises:
        UserError: one is not installed; names the extra that brings it.
    """
    try:
        return [import_module(package) for package in packages]
    except ImportError as error:
        missing = error.name or packages[0]
        raise UserError(f"model: {model!r} needs the package {missing} (allowed: once pip install 'askd-bench[{extra}]' is done)") from None


def export_folder(model: str) -> Path:
    """Return the folder of a `prefix:FOLDER` argument; the name of a bundled export stands for its folder.

    Raises:
        UserError: there is none.
    """
    prefix, _, path = model.partition(":")
    folder = bundled_models().get(path, Path(path).expanduser())
    if not path or not folder.is_dir():
        raise UserError(f"model: {model!r} names no folder (allowed: {prefix}:FOLDER, a folder with an export of a Whisper checkpoint)")
    return folder


def require_file(model: str, folder: Path, name: str, remedy: str) -> Path:
    """Return a file of the export.

    Raises:
        UserError: it is not there; `remedy` says how to get it.
    """
    if not (folder / name).is_file():
        raise UserError(f"model: {model!r} has no {name} (allowed: {remedy})")
    return folder / name


def choose_runtime_device(device: str, *, runtime: str, cuda_devices: int) -> tuple[str, int]:
    """Return ("cpu" or "cuda", index) for an option of that kind; "auto" is the GPU where the runtime has one.

    Raises:
        UserError: the runtime does not run there, or there is no such device.
    """
    here = "auto, cpu" + (", cuda" + (f", cuda:0 to cuda:{cuda_devices - 1}" if cuda_devices > 1 else "") if cuda_devices else "")
    if device == "auto":
        device = "cuda" if cuda_devices else "cpu"
    kind, _, index = device.partition(":")
    known = (kind == "cuda" and (not index or index.isdecimal())) or device == "cpu"
    if not known or (kind == "cuda" and int(index or 0) >= cuda_devices):
        raise UserError(f"device: {device!r} is not there for {runtime} (allowed here: {here})")
    return kind, int(index or 0)


def set_threads(options: ModelOptions) -> int:
    """Set torch's threads, which measure confidences, and return how many the runtime is to use."""
    threads = options.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    return threads


def count_parameters(config: PretrainedConfig) -> int:
    """Return the parameters of the checkpoint that an export was made from: runtimes fuse, copy and pad tensors, which adds none."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in WhisperForConditionalGeneration(config).parameters())


def export_card(
    model: str,
    folder: Path,
    config: PretrainedConfig,
    parts: WhisperParts,
    options: ModelOptions,
    *,
    runtime: str,
    dtype: str,
    device: str,
    threads: int,
    weights_bytes: int,
    weights_sha256: str,
) -> ModelCard:
    """Return the card of an exported checkpoint.

    Args:
        model: the `--model` argument.
        folder: its folder, whose name is the model's.
        config: the architecture.
        parts: see `whisper_parts`.
        options: as asked for.
        runtime: its name and version, which may change the text.
        dtype: computed in.
        device: computed on.
        threads: as set.
        weights_bytes: as stored.
        weights_sha256: over the bytes of the export's files of weights: their layout is the runtime's own.
    """
    return ModelCard(
        id=folder.resolve().name,
        source=model,
        architecture=WhisperForConditionalGeneration.__name__,
        parameters=count_parameters(config),
        weights_bytes=weights_bytes,
        macs_per_second=parts.macs_per_second,
        weights_sha256=weights_sha256,
        decoding={
            "language": options.language,
            "task": options.task,
            "num_beams": options.num_beams,
            "temperature": 0.0,
            "timestamps": False,
            **parts.decoding,
            "runtime": runtime,
        },
        dtype=dtype,
        device=device,
        threads=threads,
    )


def transcribe_fitting(
    features: Sequence[Features],
    parts: WhisperParts,
    decode: Callable[[NDArray[np.float32]], list[Transcription]],
    decode_longer: Callable[[Features], Transcription],
) -> list[Transcription]:
    """Decode what fits the window, clips of equally many frames together, and what is longer one by one.

    Args:
        features: spectrograms, each of shape (num_mels, num_frames).
        parts: see `whisper_parts`.
        decode: given some that fit as one array, shape (batch, num_mels, num_frames), returns their transcriptions.
        decode_longer: given a longer one, returns its transcription.
    """
    results: dict[int, Transcription] = {}
    fitting = [i for i, feature in enumerate(features) if feature.shape[1] <= parts.window_frames]
    with _memory_errors():
        for group in of_equal_length(features, fitting):
            results.update(zip(group, decode(np.stack([features[i] for i in group])), strict=True))
        for i, feature in enumerate(features):
            if i not in results:
                results[i] = decode_longer(feature)
    return [results[i] for i in range(len(features))]


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Raise `MemoryError` where a runtime says in its own way that a batch is too large for memory."""
    try:
        yield
    except Exception as error:  # their kinds are derived from no standard one
        if any(said in str(error) for said in _OUT_OF_MEMORY):
            raise MemoryError(one_line(error)) from None
        raise
