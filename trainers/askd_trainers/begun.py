"""Runs that were begun before: which are the same and go on, and which are others and stay as they are."""

from pathlib import Path

from askd_bench.errors import UserError
from askd_trainers.checkpoints import last_checkpoint
from askd_trainers.files import read_json
from askd_trainers.recipe import BaseRecipe, validated


def refuse_other_run(recipe: BaseRecipe, output: Path, student: Path) -> None:
    """Refuse to continue or to replace a run of another recipe; what changes cost only may differ.

    Raises:
        UserError: `output` or `student` holds one.
    """
    if last_checkpoint(output) is not None or any(output.glob("*/recipe.json")):  # a run that failed before may be begun again in any way
        _refuse_other(recipe, output)
    _refuse_other(recipe, student)


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
