"""Students as folders that plain `from_pretrained` loads: alone, or sharing a shard with their teacher."""

import copy
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from askd_bench.errors import UserError
from askd_trainers.errors import Diverged
from askd_trainers.students.layers import FROZEN_MODULES
from askd_trainers.students.locate import locate

WEIGHTS = "decoder-layers.safetensors"
"""The student's own shard in the shared layout."""

_INDEX = "model.safetensors.index.json"
_COMPANIONS = ("tokenizer*", "vocab*", "merges.txt", "normalizer.json", "special_tokens_map.json", "added_tokens.json", "*processor*.json")


def save_student(
    student: Any,
    out: Path,
    *,
    source: str,
    dtype: torch.dtype = torch.float16,
    beside: Mapping[str, bytes] | None = None,
    shared_weights: bool = False,
) -> bool:
    """Save a student with the tokenizer and features of its `source`, and further files `beside` them; whole or not at all.

    The folder stands alone. With `shared_weights`, where encoder, embeddings and final norm still are the source's, bit for bit, and the
    source keeps them in a shard of their own (its own or its teacher's), the student's index points to that shard by a relative path and
    only its decoder layers are written (10 MB instead of 66 MB for a two-layer whisper-tiny.en): keep the folders side by side.

    Args:
        student: the model.
        out: its folder.
        source: what the student was made from: the teacher whose layers it copied, or the checkpoint it started from.
        dtype: of the weights on disk.
        beside: name of a file -> its content.
        shared_weights: point to the source's shard where that holds the same.

    Returns:
        whether the shard is shared.

    Raises:
        UserError: a weight is not finite, or the folder cannot be written.
    """
    origin = Path(locate(source))
    temporary = out.with_name(out.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    weights = {name: tensor for name, tensor in student.state_dict().items() if name != "proj_out.weight"}
    state = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in weights.items()}
    _refuse_ruined(state, out)
    try:
        temporary.mkdir(parents=True)
        shard = _shared_shard(state, origin) if shared_weights else None
        if shard is None:
            save_file(state, temporary / "model.safetensors", metadata={"format": "pt"})
        else:
            own = {name: tensor for name, tensor in state.items() if not name.startswith(FROZEN_MODULES)}
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
        raise Diverged(
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

        AutoProcessor.from_pretrained(str(source), trust_remote_code=False).save_pretrained(out)
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
    names = {name for name in state if name.startswith(FROZEN_MODULES)}
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
