"""A student averaged with the weights it started from; how much of them is chosen on dev.

Source: weight-space ensembles of a model before and after fine-tuning (WiSE-FT; Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models"). They keep most of what was gained on the training domain, and give back some of what was lost elsewhere.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from askd_bench.errors import UserError
from askd_trainers.dev import Dev, dev_of
from askd_trainers.distil import prepare
from askd_trainers.files import read_json
from askd_trainers.recipe import Recipe
from askd_trainers.recipe_files import validated
from askd_trainers.session import RECORDS
from askd_trainers.students.locate import refuse_occupied
from askd_trainers.students.save import save_student

FILE = "average.json"
"""In the folder of the averaged student: every share that was tried, and the one that was kept."""


@dataclass(frozen=True)
class Share:
    """One average: `share` of the starting weights, the rest of the student's, and its figures on dev."""

    share: float
    dev: Dev


def average_with_start(
    student: Path, out: Path, shares: Sequence[float], *, start: str | None = None, announce: Callable[[str], None] = lambda _: None
) -> list[Share]:
    """Write the best average on dev to `out`; return all that were tried.

    Best is the lowest WER, then the lowest cross-entropy, then the smallest share.

    Args:
        student: a folder that `askd-train run` left; the start and the dev speech are those of its `recipe.json`.
        out: a new or empty folder.
        shares: of the starting weights, each in [0, 1]; 0 is the student itself.
        start: an earlier checkpoint of the same shape, where training had several stages; None for what the last one started from.
        announce: is told of each result.

    Raises:
        UserError: a share out of range, a folder without a recipe, a recipe without validation, or `out` holds something.
    """
    wrong = next((share for share in shares if not 0 <= share <= 1), None)
    if wrong is not None or not shares:
        raise UserError(f"shares: {'none is given' if wrong is None else f'{wrong:g} is out of range'} (allowed: numbers from 0 to 1)")
    refuse_occupied(out, "out")
    recipe = validated(Recipe, read_json(student / "recipe.json", argument="student"), str(student / "recipe.json"))
    if start is not None:
        recipe = recipe.model_copy(update={"student": recipe.student.model_copy(update={"checkpoint": start})})
    if recipe.data.validation is None:
        raise UserError("student: its recipe has no data.validation, and the share is chosen on dev")
    runtime = recipe.runtime.model_copy(update={"trackers": (), "train_eval_utterances": 0})
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(recipe.model_copy(update={"runtime": runtime}), Path(folder))
        before = {name: tensor.clone() for name, tensor in run.student.state_dict().items()}
        trained = run.family.load(str(student)).state_dict()
        tried = []
        for share in shares:
            _mix(run.student, before, trained, share)
            tried.append(Share(share, dev_of(run.trainer.evaluate())))
            announce(f"share {share:g}: dev CE {tried[-1].dev.cross_entropy:.3f}, WER {100 * tried[-1].dev.wer:.2f} %")
        best = min(tried, key=lambda one: (one.dev.wer, one.dev.cross_entropy, one.share))
        _mix(run.student, before, trained, best.share)
        record = {"student": student.name, "start": recipe.start, "kept": best.share, "tried": [asdict(one) for one in tried]}
        beside = {name: (student / name).read_bytes() for name in RECORDS if (student / name).is_file()}
        if (student / "README.md").is_file():
            note = f"\nThese weights are averaged: {best.share:g} of those that training started from, the rest of `{student.name}`.\n"
            beside["README.md"] = (student / "README.md").read_bytes() + note.encode()
        beside[FILE] = (json.dumps(record, indent=1) + "\n").encode()
        save_student(run.student, out, source=recipe.start, beside=beside, shared_weights=recipe.runtime.shared_weights)
    return tried


@torch.no_grad()
def _mix(model: torch.nn.Module, start: dict[str, torch.Tensor], trained: dict[str, torch.Tensor], share: float) -> None:
    """Set the weights to `share·start + (1 - share)·trained`; exactly one of them at the ends."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            mine = trained[name].to(tensor)
            tensor.copy_(start[name] if share == 1 else mine.lerp(start[name], share))
