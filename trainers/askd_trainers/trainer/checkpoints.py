"""Checkpoints that are whole or absent: what transformers saves, the state of schedule and self-teacher, and a last file that says so."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from askd_bench.errors import UserError
from askd_trainers.objective.schedules import LossSchedule
from askd_trainers.objective.self_teacher import SelfTeacher

COMPLETE = "complete.json"
"""Written last: a checkpoint without it was cut short, and is neither resumed from nor counted."""

_SELF_TEACHER = "self_teacher.safetensors"


@contextmanager
def whole_checkpoint(
    output: str, step: int, schedule: LossSchedule | None, self_teacher: SelfTeacher | None, main_process: bool
) -> Iterator[None]:
    """Save what the body saves into `output/checkpoint-<step>` together with the extras, or remove it.

    Raises:
        UserError: the disk is full or not writable; the checkpoint before this one stays.
    """
    folder = Path(output) / f"checkpoint-{step}"
    try:
        if main_process:
            folder.mkdir(parents=True, exist_ok=True)
            if self_teacher is not None:
                save_file(self_teacher.state_dict(), folder / _SELF_TEACHER)
        yield
        if main_process:
            state = {
                "schedule": schedule.state_dict() if schedule else None,
                "self_teacher": self_teacher.from_epoch if self_teacher else None,
            }
            (folder / COMPLETE).write_text(json.dumps(state))
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_writing(error):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        last = last_checkpoint(Path(output))
        kept = f"the last good one is {last}" if last else "there is no earlier one"
        raise UserError(f"training: checkpoint {folder} cannot be saved ({error}); {kept}") from error


def last_checkpoint(output: Path) -> Path | None:
    """Return the newest whole checkpoint in a run's folder, or None."""
    folders = [folder for folder in output.glob("checkpoint-*") if (folder / COMPLETE).is_file()]
    return max(folders, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def load_extras(folder: str | Path, schedule: LossSchedule | None, self_teacher: SelfTeacher | None) -> None:
    """Bring schedule and self-teacher to where they were when the checkpoint was saved."""
    state = json.loads((Path(folder) / COMPLETE).read_text())
    if schedule is not None:
        schedule.load_state_dict(state["schedule"])
    if self_teacher is not None:
        self_teacher.load_state_dict(load_file(Path(folder) / _SELF_TEACHER))
        self_teacher.from_epoch = bool(state["self_teacher"])


def _is_writing(error: RuntimeError) -> bool:
    """Tell torch's own failures to write ("PytorchStreamWriter failed writing file", or a check of its zip writer) from others."""
    signs = ("writing file", "No space left", "inline_container.cc")
    return not isinstance(error, torch.OutOfMemoryError) and any(sign in str(error) for sign in signs)
