"""Figures on dev: those of a finished run, and those of the teacher that it started from or learned from."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from askd_bench.errors import UserError
from askd_trainers.files import read_json, write_json
from askd_trainers.recipe import Objective, Recipe


@dataclass(frozen=True)
class Dev:
    """One evaluation on dev.

    Attributes:
        cross_entropy: nats a label token, without dropout, on clean speech.
        wer: greedy, normalised, 0 and above.
        train_cross_entropy: the same as `cross_entropy` on clean training utterances; None where it was not measured.
    """

    cross_entropy: float
    wer: float
    train_cross_entropy: float | None = None

    @property
    def gap(self) -> float | None:
        """Return by how much dev is worse than what was trained on, nats: over-fitting."""
        return None if self.train_cross_entropy is None else self.cross_entropy - self.train_cross_entropy


def dev_of(metrics: Mapping[str, Any]) -> Dev:
    """Return the figures of one entry of a log."""
    return Dev(metrics["eval_cross_entropy"], metrics["eval_wer"], metrics.get("eval_train_cross_entropy"))


def last_dev(run: Path) -> Dev:
    """Return the figures after the last step of a run.

    Args:
        run: a folder with `log.json`.

    Raises:
        UserError: it has none: the run was not validated.
    """
    entries = [entry for entry in read_json(run / "log.json")["history"] if "eval_wer" in entry]
    if not entries:
        raise UserError(f"data.validation: {run} was trained without it, so that nothing is known of it on dev")
    return dev_of(entries[-1])


def teacher_on_dev(recipe: Recipe, memory: Path) -> Dev:
    """Return the figures of a recipe's teacher at full context, on the recipe's dev speech.

    Args:
        recipe: any that has the teacher and the data.
        memory: a JSON file in which they are kept.
    """
    mine = {"teacher": recipe.teacher, "data": recipe.data.model_dump(mode="json"), "precision": recipe.optimisation.precision}
    key = json.dumps(mine, sort_keys=True)
    known = read_json(memory) if memory.is_file() else {}
    if key not in known:
        known[key] = asdict(_measure(untrained_teacher(recipe)))
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_json(memory, known)
    return Dev(**known[key])


def untrained_teacher(recipe: Recipe) -> Recipe:
    """Return a recipe whose student, before its first step, is the teacher."""
    whisper = recipe.family == "whisper"
    student = {"checkpoint": recipe.teacher, "audio_context": None, "trainable": "decoder-layers" if whisper else "all"}
    return recipe.model_copy(
        update={
            "objective": Objective(),
            "student": recipe.student.model_copy(update=student | {"encoder_layers": None, "window_seconds": None}),
            "data": recipe.data.model_copy(update={"augment": None, "repeats": 0.0, "suite": None, "conditions": ()}),
            "runtime": recipe.runtime.model_copy(update={"trackers": (), "train_eval_utterances": 0}),
        }
    )


def _measure(recipe: Recipe) -> Dev:
    from askd_trainers.distil import prepare  # torch is slow to import

    if recipe.data.validation is None:
        raise UserError("data.validation: nothing is given, so that nothing is known on dev")
    with tempfile.TemporaryDirectory() as folder:
        return dev_of(prepare(recipe, Path(folder)).trainer.evaluate())
