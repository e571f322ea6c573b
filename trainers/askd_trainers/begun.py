"""How a run begins: what was begun before goes on where it is the same and stays as it is where it is not; then its records."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from askd_bench.errors import UserError
from askd_trainers.checkpoints import last_checkpoint
from askd_trainers.environment import environment
from askd_trainers.files import read_json, write_json
from askd_trainers.recipe import BaseRecipe, validated
from askd_trainers.resumable import Progress

_log = logging.getLogger(__name__)


class CachesStates(Protocol):
    """A dataset whose encoder states can be computed beforehand."""

    def fill_cache(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Compute what is missing; `progress` hears how many are done, and of how many. Return how many did not fit."""


def refuse_other_run(recipe: BaseRecipe, output: Path, student: Path) -> None:
    """Refuse to continue or to replace a run of another recipe; what changes cost only may differ.

    Raises:
        UserError: `output` or `student` holds one.
    """
    if last_checkpoint(output) is not None or any(output.glob("*/recipe.json")):  # a run that failed before may be begun again in any way
        _refuse_other(recipe, output)
    _refuse_other(recipe, student)


def begun_checkpoint(output: Path, record: Mapping[str, Any]) -> Path | None:
    """Return the newest whole checkpoint in `output`, or None.

    Args:
        output: folder of the run.
        record: of the data of the run that is to go on.

    Raises:
        UserError: it was begun on other data.
    """
    checkpoint = last_checkpoint(output)
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
    """Compute the encoder states that the named datasets lack; `progress` hears of "encoding <name>", the log of what did not fit."""
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
