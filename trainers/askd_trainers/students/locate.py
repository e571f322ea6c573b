"""Where checkpoints are, what they say of themselves, and where none may be written."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import one_line
from askd_bench.models.names import bundled_models


def locate(checkpoint: str) -> str:
    """Return the folder of a bundled checkpoint, or `checkpoint` itself (a folder or a Hub id)."""
    return str(bundled_models().get(checkpoint, checkpoint))


def refuse_occupied(folder: Path, argument: str) -> None:
    """Refuse what a student would replace: a file, or a folder that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{argument}: {folder} is there already; choose a new or empty folder")


def load_config(checkpoint: str) -> Any:
    """Return the configuration of a checkpoint, or raise a `UserError` that names it.

    Code that comes with a checkpoint never runs, and nobody is asked whether it may.
    """
    try:
        return AutoConfig.from_pretrained(locate(checkpoint), trust_remote_code=False)
    except Exception as error:
        raise UserError(f"checkpoint: {checkpoint!r} cannot be read: {one_line(error)}") from error
