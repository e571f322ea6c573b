"""Whether a setting is fit for comparing arms: training under it must do its own teacher no harm.

A learning rate at which the teacher itself gets worse, on the same data for as many steps, spoils every arm that is compared under
it. So the teacher is trained under each setting too (the recipe `teacher-finetuned`), and must not be worse than before on dev, neither in
cross-entropy nor in WER.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from askd_trainers.dev import Dev, last_dev
from askd_trainers.recipe import Objective, Recipe


@dataclass(frozen=True)
class Verdict:
    """What is known of one setting.

    Attributes:
        arms: that were trained under it.
        learning_rate, steps: what tells settings apart in most studies.
        teacher: on dev, untrained.
        finetuned: on dev, trained under the setting; None where no run did.
    """

    arms: tuple[str, ...]
    learning_rate: float
    steps: int
    teacher: Dev
    finetuned: tuple[Dev, ...]

    @property
    def fit(self) -> bool:
        """Return whether every such run is not worse than the teacher, in both figures."""
        worse = [dev.cross_entropy > self.teacher.cross_entropy or dev.wer > self.teacher.wer for dev in self.finetuned]
        return bool(worse) and not any(worse)

    def __str__(self) -> str:
        """Say it in one line."""
        setting = f"learning rate {self.learning_rate:g}, {self.steps} steps ({', '.join(self.arms)})"
        before = f"teacher on dev: CE {self.teacher.cross_entropy:.3f}, WER {100 * self.teacher.wer:.2f} %"
        after = "; ".join(f"CE {dev.cross_entropy:.3f}, WER {100 * dev.wer:.2f} %" for dev in self.finetuned)
        if not self.finetuned:
            return f"NOT fit for comparison: {setting}: no arm fine-tunes the teacher under it (add the recipe teacher-finetuned)"
        return f"{'fit' if self.fit else 'NOT fit'} for comparison: {setting}: {before}; fine-tuned: {after}"


def finetunes_the_teacher(recipe: Recipe) -> bool:
    """Return whether a recipe trains the teacher itself, by cross-entropy alone."""
    objective = recipe.objective.model_dump(exclude={"temperature", "phase_a_fraction"})
    return recipe.student.checkpoint == recipe.teacher and objective == Objective().model_dump(exclude={"temperature", "phase_a_fraction"})


def setting_of(recipe: Recipe) -> str:
    """Return what two runs must have in common to be compared: teacher, data and optimisation."""
    return json.dumps(recipe.model_dump(mode="json", include={"family", "teacher", "data", "optimisation"}), sort_keys=True)


def judge(runs: Sequence[tuple[Recipe, Path]], teacher: Callable[[Recipe], Dev]) -> list[Verdict]:
    """Return a verdict for each setting of finished runs.

    Args:
        runs: recipe and folder of each.
        teacher: returns the figures of a recipe's untrained teacher; see `teacher_on_dev`.
    """
    settings: dict[str, list[tuple[Recipe, Path]]] = {}
    for recipe, folder in runs:
        settings.setdefault(setting_of(recipe), []).append((recipe, folder))
    return [_judge(own, teacher) for own in settings.values()]


def _judge(runs: Sequence[tuple[Recipe, Path]], teacher: Callable[[Recipe], Dev]) -> Verdict:
    first = runs[0][0]
    finetuned = tuple(last_dev(folder) for recipe, folder in runs if finetunes_the_teacher(recipe))
    arms = tuple(dict.fromkeys(recipe.arm for recipe, _ in runs))
    return Verdict(arms, first.optimisation.learning_rate, first.optimisation.steps, teacher(first), finetuned)
