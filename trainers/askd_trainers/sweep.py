"""Learning rates tried on dev, as many for every arm: none is compared at a rate that was chosen for another."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from askd_bench.errors import UserError
from askd_bench.files import write_whole
from askd_trainers.dev import Dev, last_dev, teacher_on_dev
from askd_trainers.errors import Diverged
from askd_trainers.files import write_json
from askd_trainers.fitness import Verdict, judge
from askd_trainers.recipe import Recipe
from askd_trainers.study import Study, arm_recipe


@dataclass(frozen=True)
class Trial:
    """One arm at one learning rate.

    Attributes:
        dev: figures after the last step; None where it diverged.
    """

    arm: str
    learning_rate: float
    dev: Dev | None

    @property
    def rank(self) -> tuple[float, float]:
        """Return what trials of an arm are compared by: WER, then cross-entropy; smaller is better."""
        return (self.dev.wer, self.dev.cross_entropy) if self.dev is not None else (float("inf"), float("inf"))


def plan_sweep(study: Study, folder: Path, output: Path) -> list[tuple[Recipe, Path]]:
    """Return recipe and folder of each trial: every arm at every rate, with the study's first seed.

    A rate of the encoder's own keeps its ratio to the rest's.

    Raises:
        UserError: the study names no rates, a recipe is wrong, or has nothing to validate on.
    """
    if not study.sweep.learning_rates:
        raise UserError("sweep.learning_rates: none is given (allowed: a list, e.g. [1e-5, 3e-5, 1e-4] under [sweep] in the study file)")
    trials = []
    for arm in study.arms:
        base = arm_recipe(study, arm, folder, study.seeds[0])
        if base.data.validation is None:
            raise UserError(f"data.validation: arm {base.arm!r} has none, and rates are chosen on dev")
        for rate in study.sweep.learning_rates:
            own = base.optimisation.encoder_learning_rate
            scaled = None if own is None else own * rate / base.optimisation.learning_rate
            optimisation = base.optimisation.model_copy(update={"learning_rate": rate, "encoder_learning_rate": scaled})
            trials.append((base.model_copy(update={"optimisation": optimisation}), output / f"{base.arm}-lr{rate:g}"))
    return trials


def run_sweep(trials: Sequence[tuple[Recipe, Path]], output: Path, *, announce: Callable[[str], None], progress: Any = None) -> list[Trial]:
    """Train what is not trained yet, and write `sweep.json` and `sweep.md` to `output`; return the trials.

    A trial that diverges is a row without figures; the others go on.

    Raises:
        UserError: from training; the sweep continues where it stopped when called again.
    """
    results: list[Trial] = []
    finished: list[tuple[Recipe, Path]] = []
    for number, (recipe, folder) in enumerate(trials, 1):
        rate = recipe.optimisation.learning_rate
        announce(f"[{number}/{len(trials)}] {recipe.arm}, learning rate {rate:g}")
        dev = _train(recipe, folder, progress)
        results.append(Trial(recipe.arm, rate, dev))
        if dev is not None:
            finished.append((recipe, folder))
    verdicts = judge(finished, lambda recipe: teacher_on_dev(recipe, output / "teacher-dev.json"))
    write_json(output / "sweep.json", {"trials": [asdict(trial) for trial in results], "chosen": chosen(results)})
    write_whole(output / "sweep.md", table(results, verdicts).encode())
    return results


def chosen(trials: Sequence[Trial]) -> dict[str, float]:
    """Return each arm's best learning rate on dev; arms that diverged at every rate are left out."""
    best: dict[str, Trial] = {}
    for trial in trials:
        if trial.dev is not None and (trial.arm not in best or trial.rank < best[trial.arm].rank):
            best[trial.arm] = trial
    return {arm: trial.learning_rate for arm, trial in best.items()}


def table(trials: Sequence[Trial], verdicts: Sequence[Verdict]) -> str:
    """Return the trials as Markdown, the chosen one of each arm in bold, and what is known of each setting."""
    best = chosen(trials)
    lines = ["| arm | learning rate | dev CE | dev WER, % | dev CE - train CE |", "| --- | ---: | ---: | ---: | ---: |"]
    for trial in trials:
        rate = f"{trial.learning_rate:g}"
        shown = f"**{rate}**" if best.get(trial.arm) == trial.learning_rate else rate
        if trial.dev is None:
            lines.append(f"| {trial.arm} | {shown} | diverged | | |")
            continue
        gap = "" if trial.dev.gap is None else f"{trial.dev.gap:.3f}"
        lines.append(f"| {trial.arm} | {shown} | {trial.dev.cross_entropy:.3f} | {100 * trial.dev.wer:.2f} | {gap} |")
    return "\n".join([*lines, "", *(f"- {verdict}" for verdict in verdicts), ""])


def _train(recipe: Recipe, folder: Path, progress: Any) -> Dev | None:
    from askd_trainers.distil import train_recipe  # torch is slow to import

    try:
        train_recipe(recipe, folder, progress=progress)
    except Diverged:
        return None
    return last_dev(folder)
