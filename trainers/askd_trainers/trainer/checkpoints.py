"""Checkpoints that are whole or absent: what transformers saves, the state of schedule and self-teacher, and a last file that says so."""

import hashlib
import json
import logging
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

_log = logging.getLogger(__name__)
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
                "sha256": _digests(folder),
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
    return max(_whole(output), key=_step, default=None)


def undamaged_checkpoint(output: Path) -> Path | None:
    """Return the newest checkpoint whose files are what was saved; None where a run has no whole checkpoint at all.

    Newer ones that are damaged are passed over, with a warning: what they held is trained again.

    Raises:
        UserError: all are damaged.
    """
    folders = sorted(_whole(output), key=_step, reverse=True)
    for folder in folders:
        damaged = _damaged(folder)
        if damaged is None:
            return folder
        _log.warning("%s: %s is not what was saved; the checkpoint before it is taken", folder, damaged)
    if folders:
        raise UserError(f"output: all checkpoints in {output} are damaged (allowed: whole files; copy them again, or remove the folder)")
    return None


def load_extras(folder: str | Path, schedule: LossSchedule | None, self_teacher: SelfTeacher | None) -> None:
    """Bring schedule and self-teacher to where they were when the checkpoint was saved."""
    state = json.loads((Path(folder) / COMPLETE).read_text())
    if schedule is not None:
        schedule.load_state_dict(state["schedule"])
    if self_teacher is not None:
        self_teacher.load_state_dict(load_file(Path(folder) / _SELF_TEACHER))
        self_teacher.from_epoch = bool(state["self_teacher"])


def _whole(output: Path) -> list[Path]:
    return [
        folder for folder in output.glob("checkpoint-*") if (folder / COMPLETE).is_file() and folder.name.rpartition("-")[2].isdecimal()
    ]


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _digests(folder: Path) -> dict[str, str]:
    """Return name -> sha256 of the files of a checkpoint, but for those that other processes may still be writing."""
    kept = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name != COMPLETE and not file.match("rng_state_*")]
    return {file.name: _sha256(file) for file in kept}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _damaged(folder: Path) -> str | None:
    """Return the name of a file that is gone or not what was saved; None where all are. Checkpoints of before say nothing of theirs."""
    try:
        saved = json.loads((folder / COMPLETE).read_text()).get("sha256", {})
        return next((name for name, sha256 in saved.items() if _sha256(folder / name) != sha256), None)
    except FileNotFoundError as error:
        return Path(error.filename).name
    except (OSError, ValueError, AttributeError, RecursionError):
        return COMPLETE


def _is_writing(error: RuntimeError) -> bool:
    """Tell torch's own failures to write ("PytorchStreamWriter failed writing file", or a check of its zip writer) from others."""
    signs = ("writing file", "No space left", "inline_container.cc")
    return not isinstance(error, torch.OutOfMemoryError) and any(sign in str(error) for sign in signs)
