"""What a run depends on beside its recipe and its data: packages, device, precision."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from askd_trainers.recipe import BaseRecipe

_PACKAGES = ("askd-bench", "torch", "transformers", "accelerate", "numpy", "safetensors", "tokenizers")


def resolve_precision(recipe: BaseRecipe) -> bool:
    """Return whether to compute in bf16: what the recipe says, or, for "auto", whether the processor has it."""
    if recipe.optimisation.precision != "auto":
        return recipe.optimisation.precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(flag in flags.read_text() for flag in ("avx512_bf16", "amx_bf16"))


def environment(recipe: BaseRecipe) -> dict[str, Any]:
    """Return what a run depended on beside its recipe and its data."""
    return {
        "packages": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "precision": "bf16" if resolve_precision(recipe) else "float32",
        "seed": recipe.seed,
    }
