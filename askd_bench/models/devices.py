"""Where a torch model runs and in which type, and why."""

import os

import torch

from askd_bench.errors import UserError
from askd_bench.log import LOG
from askd_bench.options import ModelOptions

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str) -> torch.device:
    """Return the device of that name, or for "auto" the GPU where there is one.

    Raises:
        UserError: there is no such device.
    """
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


def choose_dtype(dtype: str, device: torch.device) -> tuple[torch.dtype, str]:
    """Return the type to compute in, and the reason in words: float16 on a GPU, bfloat16 on a CPU with AMX, float32 otherwise."""
    if dtype != "auto":
        return _DTYPES[dtype], "as asked for"
    if device.type == "cuda":
        return torch.float16, "the GPU computes it several times faster than float32"
    if device.type == "cpu" and has_amx():
        return torch.bfloat16, "this processor has AMX, which multiplies bfloat16 matrices several times faster than float32"
    return torch.float32, "no GPU and no AMX here: float32 is exact and what packaged results were made in"


def has_amx() -> bool:
    """Return whether the processor multiplies bfloat16 matrices in tiles; False where torch cannot tell."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_tile") and capabilities.get("amx_bf16"))


def set_up(options: ModelOptions) -> tuple[torch.device, torch.dtype]:
    """Set torch's threads, and choose device and dtype.

    Raises:
        UserError: there is no such device.
    """
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    device = choose_device(options.device)
    return device, choose_dtype(options.dtype, device)[0]


def say_dtype(options: ModelOptions) -> None:
    """Log what "auto" came to, and why."""
    if options.dtype == "auto":
        device = choose_device(options.device)
        dtype, reason = choose_dtype(options.dtype, device)
        LOG.info(f"dtype auto: {str(dtype).removeprefix('torch.')} on {device.type}; {reason}")
