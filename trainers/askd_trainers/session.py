"""One training from its recipe to its student: refuse, prepare, cache, train, evaluate, save. What is trained fills it in.

distil.py    a student, by the terms of an objective
encoder.py   an encoder, on the states of its teacher's
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from transformers import set_seed
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError
from askd_trainers.data.encoder_states import FrozenEncoder
from askd_trainers.environment import environment
from askd_trainers.families.base import Family
from askd_trainers.files import read_json, write_json
from askd_trainers.recipe import BaseRecipe
from askd_trainers.recipe_files import validated
from askd_trainers.students.locate import refuse_occupied
from askd_trainers.students.save import save_student
from askd_trainers.trainer.checkpoints import last_checkpoint, undamaged_checkpoint
from askd_trainers.trainer.resumable import Progress

_log = logging.getLogger(__name__)

RECORDS = ("recipe.json", "data.json", "environment.json", "log.json")
"""What a run leaves in its folder, and a student carries along."""

R = TypeVar("R", bound=BaseRecipe)


class CachesStates(Protocol):
    """A dataset whose encoder states can be computed beforehand."""

    def fill_cache(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Compute what is missing; `progress` is told how many are done, and of how many. Return how many did not fit."""


@dataclass
class Prepared(Generic[R]):
    """A run that is ready to start.

    Attributes:
        train, validation: datasets; None where there is nothing to validate on.
        encoders: role -> frozen encoder, None for one that is trained.
        data_record: what the data are; keys that end in "sha256" must be the same for a run to go on.
    """

    recipe: R
    output: Path
    family: Family
    student: Any
    teacher: Any
    train: Any
    validation: Any
    encoders: dict[str, FrozenEncoder | None]
    trainer: Any
    data_record: dict[str, Any]


class Training(ABC, Generic[R]):
    """What differs between kinds of training.

    Attributes:
        figure: of the log, by which the last evaluation is recognised.
    """

    figure: str

    @abstractmethod
    def prepare(self, recipe: R, output: Path) -> Prepared[R]:
        """Load models and data, and refuse what cannot or must not be trained."""

    def describe(self, run: Prepared[R], name: str) -> dict[str, bytes]:
        """Return further files for the run's student: name -> content."""
        return {}


def train(training: Training[R], recipe: R, output: Path, *, student: Path | None = None, progress: Progress | None = None) -> Path:
    """Train, or continue from the newest whole checkpoint in `output`; return the folder of the student.

    Args:
        training: what is trained.
        recipe: everything that decides it.
        output: of checkpoints, `RECORDS` and TensorBoard's files.
        student: where the student goes; None for a folder of its name in `output`.
        progress: is told what is done.

    Raises:
        UserError: what `Training.prepare` refuses; a run of another recipe or on other data is in `output`, or something else is where
            the student goes.
    """
    final = student or output / recipe.student_name
    refuse_other_run(recipe, output, final)
    if (final / "recipe.json").is_file():
        return final
    refuse_occupied(final, "student")
    begin(recipe.seed)
    run = training.prepare(recipe, output)
    trainer = run.trainer
    checkpoint = checkpoint_to_continue(output, run.data_record)
    if trainer.is_world_process_zero():
        write_records(recipe, output, run.data_record)
        fill_caches({"training": run.train, "validation": run.validation}, progress)
    trainer.accelerator.wait_for_everyone()
    trainer.report_to(progress)
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.evaluate_at_end(training.figure)
    if trainer.is_world_process_zero():
        summary = {"seconds": round(time.perf_counter() - started, 1), "resumed": checkpoint is not None}
        write_json(output / "log.json", {"summary": summary, "history": trainer.state.log_history})
        beside = {name: (output / name).read_bytes() for name in RECORDS} | training.describe(run, final.name)
        save_student(run.student, final, source=recipe.start, beside=beside, shared_weights=recipe.runtime.shared_weights)
    trainer.accelerator.wait_for_everyone()
    return final


def begin(seed: int) -> None:
    """Seed everything random, and quiet transformers."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    set_seed(seed)


def refuse_other_run(recipe: BaseRecipe, output: Path, student: Path) -> None:
    """Refuse to continue or to replace a run of another recipe; what changes cost only may differ.

    Raises:
        UserError: `output` or `student` holds one.
    """
    if last_checkpoint(output) is not None or any(output.glob("*/recipe.json")):  # a run that failed before may be begun again in any way
        _refuse_other(recipe, output)
    _refuse_other(recipe, student)


def checkpoint_to_continue(output: Path, record: Mapping[str, Any]) -> Path | None:
    """Return the newest whole and undamaged checkpoint in `output`, or None.

    Args:
        output: folder of the run.
        record: of the data of the run that is to go on.

    Raises:
        UserError: it was begun on other data, or all checkpoints are damaged.
    """
    checkpoint = undamaged_checkpoint(output)
    if checkpoint is not None:
        before = read_json(output / "data.json")
        if any(before.get(key) != value for key, value in record.items() if key.endswith("sha256")):
            raise UserError(f"data.train: is not what the run in {output} was begun with (see data.json there); choose another folder")
    return checkpoint


def write_records(recipe: BaseRecipe, output: Path, record: Mapping[str, Any]) -> None:
    """Write what a run is made from: `recipe.json`, `data.json`, `environment.json`."""
    write_json(output / "recipe.json", recipe.model_dump(mode="json"))
    write_json(output / "data.json", record)
    write_json(output / "environment.json", environment(recipe))


def fill_caches(datasets: Mapping[str, CachesStates | None], progress: Progress | None) -> None:
    """Compute the encoder states that the named datasets lack; `progress` is told of "encoding <name>"; what does not fit is logged."""
    for name, dataset in datasets.items():
        if dataset is None:
            continue
        missed = dataset.fill_cache(progress and (lambda done, total, name=name: progress(f"encoding {name}", done, total)))
        if missed:
            _log.warning(
                "runtime.cache_gb: %d encoder states for %s do not fit; they are computed each time, which is slow (set it higher)",
                missed,
                name,
            )


def _refuse_other(recipe: BaseRecipe, folder: Path) -> None:
    known = folder / "recipe.json"
    if not known.is_file():
        return
    now, stored = recipe.model_dump(mode="json"), read_json(known)
    try:
        before = validated(type(recipe), stored, str(known)).model_dump(mode="json")  # fields newer than the run get defaults
    except UserError:
        before = {}
    changed = [key for key in now if key != "runtime" and before.get(key) != now[key]]
    if changed:
        raise UserError(f"output: {folder} holds a run of another recipe (differs in {', '.join(changed)}); choose another folder")
