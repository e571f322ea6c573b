"""Students made by copying layers of their teacher, and what of them is trained."""

import copy
from typing import Any

import numpy as np
from torch import Tensor, nn
from transformers import PreTrainedModel, WhisperForConditionalGeneration

from askd_bench.errors import UserError

FROZEN_MODULES = ("model.encoder.", "model.decoder.embed_tokens.", "model.decoder.embed_positions.", "model.decoder.layer_norm.")
"""What a student that trains its decoder layers alone has in common with its teacher."""


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
    frozen = {"all": (), "decoder": ("model.encoder.",), "decoder-layers": FROZEN_MODULES}[trainable]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen) if frozen else True)
