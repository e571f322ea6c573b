"""Students: made by copying layers of their teacher, saved so that they share what they have in common with it."""

import copy
import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCTC, PreTrainedModel, WhisperForConditionalGeneration
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_bench.models.names import bundled_models

WEIGHTS = "decoder-layers.safetensors"
"""The student's own shard in the shared layout."""

_INDEX = "model.safetensors.index.json"
_FROZEN_MODULES = ("model.encoder.", "model.decoder.embed_tokens.", "model.decoder.embed_positions.", "model.decoder.layer_norm.")
_COMPANIONS = ("tokenizer*", "vocab*", "merges.txt", "normalizer.json", "special_tokens_map.json", "added_tokens.json", "*processor*.json")


def locate(checkpoint: str) -> str:
    """Return the folder of a bundled checkpoint, or `checkpoint` itself (a folder or a Hub id)."""
    return str(bundled_models().get(checkpoint, checkpoint))


def copied_layers(teacher_layers: int, student_layers: int) -> list[int]:
    """Return which of the teacher's layers the student copies: evenly spaced, first and last among them.

    Source: Distil-Whisper (Gandhi et al. 2023, section 3): `np.linspace` rounded down, the last forced to the teacher's last.

    >>> copied_layers(32, 2), copied_layers(4, 3), copied_layers(4, 1)
    ([0, 31], [0, 1, 3], [3])

    Raises:
        UserError: the student has more layers than the teacher.
    """
    if not 1 <= student_layers <= teacher_layers:
        raise UserError(f"layers: {student_layers} is out of range (allowed: 1 to the teacher's {teacher_layers})")
    chosen = [int(layer) for layer in np.linspace(0, teacher_layers - 1, student_layers, dtype=int)]
    chosen[-1] = teacher_layers - 1
    return chosen


def whisper_student(
    teacher: WhisperForConditionalGeneration, *, decoder_layers: int, encoder_layers: int | None = None, window_seconds: float | None = None
) -> Any:
    """Return a student with copies of the teacher's layers, of the teacher's class and type.

    Args:
        teacher: any Whisper.
        decoder_layers, encoder_layers: how many to copy; None for all.
        window_seconds: of the encoder; shorter than the teacher's cuts its position embeddings.

    Raises:
        UserError: a number out of range.
    """
    config = copy.deepcopy(teacher.config)
    seconds = config.max_source_positions / 50
    window = seconds if window_seconds is None else window_seconds
    if not 1 <= window <= seconds:
        raise UserError(f"window_seconds: {window:g} is out of range (allowed: 1 to the teacher's {seconds:g})")
    encoder_map = copied_layers(config.encoder_layers, config.encoder_layers if encoder_layers is None else encoder_layers)
    decoder_map = copied_layers(config.decoder_layers, decoder_layers)
    config.encoder_layers, config.decoder_layers = len(encoder_map), len(decoder_map)
    config.num_hidden_layers = len(encoder_map)
    config.max_source_positions = round(window * 50)
    student = type(teacher)(config).to(teacher.dtype)
    renamed = _renamed(teacher.state_dict(), {"model.encoder.layers.": encoder_map, "model.decoder.layers.": decoder_map})
    positions = "model.encoder.embed_positions.weight"
    renamed[positions] = renamed[positions][: config.max_source_positions]
    student.load_state_dict(renamed)
    student.generation_config = copy.deepcopy(teacher.generation_config)
    if getattr(student.generation_config, "alignment_heads", None):
        del student.generation_config.alignment_heads  # they name layers that are gone
    return student


def ctc_student(teacher: PreTrainedModel, *, encoder_layers: int | None) -> Any:
    """Return a CTC student (wav2vec 2.0 family) with copies of the teacher's encoder layers and its own head."""
    config = copy.deepcopy(teacher.config)
    mapping = copied_layers(config.num_hidden_layers, encoder_layers or config.num_hidden_layers)
    config.num_hidden_layers = len(mapping)
    student = type(teacher)(config)
    prefix = f"{teacher.base_model_prefix}.encoder.layers."
    student.load_state_dict(_renamed(teacher.state_dict(), {prefix: mapping}))
    return student


def _renamed(state: dict[str, Tensor], layer_maps: dict[str, list[int]]) -> dict[str, Tensor]:
    """Return the state with layers renumbered and those that are not copied left out."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        prefix = next((p for p in layer_maps if name.startswith(p)), None)
        if prefix is None:
            renamed[name] = tensor
            continue
        number, _, rest = name.removeprefix(prefix).partition(".")
        for new, old in enumerate(layer_maps[prefix]):
            if old == int(number):
                renamed[f"{prefix}{new}.{rest}"] = tensor
    return renamed


def set_trainable(model: nn.Module, trainable: str) -> None:
    """Freeze what is not to be trained; see `askd_trainers.recipe.Student.trainable`."""
    frozen = {"all": (), "decoder": ("model.encoder.",), "decoder-layers": _FROZEN_MODULES}[trainable]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen) if frozen else True)


def init_student(
    teacher: str,
    out: Path,
    *,
    decoder_layers: int | None = None,
    encoder_layers: int | None = None,
    window_seconds: float | None = None,
    dtype: torch.dtype = torch.float16,
) -> bool:
    """Write a new student to `out` as a plain `from_pretrained` folder; return whether it shares the teacher's frozen shard.

    Args:
        teacher: a Whisper or a CTC model.
        out: a new or empty folder.
        decoder_layers, window_seconds: of a Whisper; None for 2 layers and the teacher's window.
        encoder_layers: None for all.
        dtype: of the weights on disk.

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
        source = (WhisperForConditionalGeneration if whisper else AutoModelForCTC).from_pretrained(locate(teacher), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise UserError(f"teacher: {teacher!r} cannot be loaded: {str(error).splitlines()[0]}") from error
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
    return save_student(student, out, source=teacher, dtype=dtype)


def refuse_occupied(folder: Path, argument: str) -> None:
    """Refuse what a student would replace: a file, or a folder that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{argument}: {folder} is there already; choose a new or empty folder")


def load_config(checkpoint: str) -> Any:
    """Return the configuration of a checkpoint, or raise a `UserError` that names it."""
    try:
        return AutoConfig.from_pretrained(locate(checkpoint))
    except (OSError, ValueError) as error:
        raise UserError(f"checkpoint: {checkpoint!r} cannot be read: {str(error).splitlines()[0]}") from error


def save_student(
    student: Any, out: Path, *, source: str, dtype: torch.dtype = torch.float16, beside: Mapping[str, bytes] | None = None
) -> bool:
    """Save a student with the tokenizer and features of its `source`, and further files `beside` them; whole or not at all.

    Where encoder, embeddings and final norm still are the source's, bit for bit, and the source keeps them in a shard of their own (its
    own or its teacher's), the student's index points to that shard by a relative path and only its decoder layers are written (10 MB
    instead of 66 MB for a two-layer whisper-tiny.en): keep the folders side by side.

    Args:
        student: the model.
        out: its folder.
        source: what the student was made from: the teacher whose layers it copied, or the checkpoint it started from.
        dtype: of the weights on disk.
        beside: name of a file -> its content.

    Returns:
        whether the shard is shared.

    Raises:
        UserError: a weight is not finite, or the folder cannot be written.
    """
    origin = Path(locate(source))
    temporary = out.with_name(out.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    state = {name: tensor.detach().to(dtype).contiguous() for name, tensor in student.state_dict().items() if name != "proj_out.weight"}
    _refuse_ruined(state, out)
    try:
        temporary.mkdir(parents=True)
        shard = _shared_shard(state, origin)
        if shard is None:
            save_file(state, temporary / "model.safetensors", metadata={"format": "pt"})
        else:
            own = {name: tensor for name, tensor in state.items() if not name.startswith(_FROZEN_MODULES)}
            save_file(own, temporary / WEIGHTS, metadata={"format": "pt"})
            relative = Path(os.path.relpath(shard, out.resolve())).as_posix()
            index = {
                "metadata": {"total_size": sum(t.numel() * t.element_size() for t in state.values())},
                "weight_map": {name: WEIGHTS if name in own else relative for name in state},
            }
            (temporary / _INDEX).write_text(json.dumps(index, indent=1) + "\n")
        for file in temporary.glob("*.safetensors"):
            file.chmod(0o644)  # safetensors makes it private
        config = copy.deepcopy(student.config)
        config.architectures = [_public_name(type(student))]
        config.dtype = dtype
        config.save_pretrained(temporary)
        if getattr(student, "generation_config", None) is not None and student.can_generate():
            student.generation_config.save_pretrained(temporary)
        _copy_companions(origin, temporary, student)
        for name, content in (beside or {}).items():
            (temporary / name).write_bytes(content)
        if out.exists():
            shutil.rmtree(out)
        temporary.replace(out)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"out: {out} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return shard is not None


def _refuse_ruined(state: Mapping[str, Tensor], out: Path) -> None:
    """Refuse weights that are not finite as they would be saved: training may end before a loss tells."""
    ruined = [name for name, tensor in state.items() if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if ruined:
        kind = str(next(iter(state.values())).dtype).removeprefix("torch.")
        raise UserError(
            f"student: {len(ruined)} of {len(state)} tensors are not finite in {kind}, {ruined[0]!r} first: {out} is not written; "
            "train with a smaller optimisation.learning_rate"
        )


def _public_name(kind: type) -> str:
    """Return the name of the nearest class that transformers itself has."""
    return next(base.__name__ for base in kind.__mro__ if base.__module__.startswith("transformers."))


def _copy_companions(source: Path, out: Path, student: Any) -> None:
    """Copy tokenizer and feature settings, with the window the student has; from the Hub they are fetched."""
    if not source.is_dir():
        from transformers import AutoProcessor

        AutoProcessor.from_pretrained(str(source)).save_pretrained(out)
    for pattern in _COMPANIONS if source.is_dir() else ():
        for file in source.glob(pattern):
            shutil.copy(file, out / file.name)
    if getattr(student.config, "model_type", "") == "whisper":
        for file in (out / "preprocessor_config.json", out / "processor_config.json"):
            if file.is_file():
                whole = json.loads(file.read_text())
                settings = whole.get("feature_extractor", whole)
                settings["chunk_length"] = math.ceil(student.config.max_source_positions / 50)
                settings["n_samples"] = student.config.max_source_positions * 2 * settings.get("hop_length", 160)
                settings["nb_max_frames"] = student.config.max_source_positions * 2
                file.write_text(json.dumps(whole, indent=1) + "\n")


def _shared_shard(state: dict[str, Tensor], teacher: Path) -> Path | None:
    """Return the file of the teacher that holds exactly the frozen tensors, equal to the student's, or None."""
    index = teacher / _INDEX
    names = {name for name in state if name.startswith(_FROZEN_MODULES)}
    if not index.is_file() or not names:
        return None
    weight_map: dict[str, str] = json.loads(index.read_text())["weight_map"]
    files = {weight_map.get(name) for name in names}
    if len(files) != 1 or None in files:
        return None
    shard = teacher / str(files.pop())
    with safe_open(shard, framework="pt") as tensors:
        if set(tensors.keys()) != names:
            return None
        same = all(torch.equal(tensors.get_tensor(name), state[name]) for name in names)
    return shard.resolve() if same else None


def weights_sha256(parts: Sequence[tuple[str, Tensor]]) -> str:
    """Return the sha256 of names and values of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(parts):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
