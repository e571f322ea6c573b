"""A study: arms x seeds, trained one after another, then scored by askd-bench. What is done already is not done again."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from askd_bench.errors import UserError
from askd_bench.suites import load_suite
from askd_trainers.dev import teacher_on_dev
from askd_trainers.files import write_json
from askd_trainers.fitness import finetunes_the_teacher, judge
from askd_trainers.recipe import Recipe
from askd_trainers.recipe_files import load_recipe, validated


class Arm(BaseModel):
    """One recipe of a study.

    Attributes:
        recipe: a bundled recipe or a file (relative to the study's).
        name: what the arm is called; None for the recipe's own name. Two arms may share a recipe under two names.
        seeds: one run each; none for the study's.
        set: changes to the recipe, as `--set` takes them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    recipe: str
    name: str | None = None
    seeds: tuple[int, ...] = ()
    set: tuple[str, ...] = ()


class Scoring(BaseModel):
    """How each student is scored: `askd-bench run` over these suites, with its own names for the options.

    Attributes:
        suites: names or files.
        limit: utterances per corpus; None for what each suite says, 0 for all.
        full: every condition.
        batch_size, threads: of the evaluation.
        baselines: other models to score the same way, e.g. the teacher.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    suites: tuple[str, ...] = ()
    limit: int | None = Field(None, ge=0)
    full: bool = False
    batch_size: int = Field(16, ge=1)
    threads: int | None = Field(None, ge=1)
    baselines: tuple[str, ...] = ()


class Sweep(BaseModel):
    """What `askd-train sweep` tries, for every arm.

    Attributes:
        learning_rates: peak rates; each arm is trained once at each, with the study's first seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = ()


class Study(BaseModel):
    """A study file.

    Attributes:
        name: of the study.
        seeds: of every arm that names none of its own.
        set: changes to all recipes.
        arms, scoring, sweep: see there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    set: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = Field(min_length=1)
    scoring: Scoring = Scoring()
    sweep: Sweep = Sweep()


@dataclass(frozen=True)
class StudyRun:
    """One arm with one seed, and where it goes."""

    recipe: Recipe
    output: Path

    @property
    def student(self) -> Path:
        """The folder of the trained student."""
        return self.output / self.recipe.student_name

    @property
    def done(self) -> bool:
        """Whether it is trained."""
        return (self.student / "config.json").is_file()


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        UserError: it is missing, no TOML, or has an unknown key or a value out of range.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"study: {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"study: {path} is not valid TOML: {error}") from error
    return validated(Study, values, str(path))


def plan_runs(study: Study, folder: Path, output: Path) -> list[StudyRun]:
    """Return all runs, seed by seed, so that an interrupted study has whole comparisons; those that fine-tune the teacher come first.

    Args:
        study: see `load_study`.
        folder: of the study file, which recipe files are relative to.
        output: runs go to `output/<arm>-s<seed>/`.

    Raises:
        UserError: a recipe is wrong, two arms have one name, or a suite to score on is unknown.
    """
    for suite in study.scoring.suites:
        load_suite(suite)
    runs = list(_runs(study, folder, output))
    outputs = [run.output for run in runs]
    twice = next((o.name for o in outputs if outputs.count(o) > 1), None)
    if twice is not None:
        raise UserError(f"study: arm and seed {twice!r} occur twice; give one of the arms a name")
    order = {seed: rank for rank, seed in enumerate(dict.fromkeys(run.recipe.seed for run in runs))}
    return sorted(runs, key=lambda run: (order[run.recipe.seed], not finetunes_the_teacher(run.recipe)))


def _runs(study: Study, folder: Path, output: Path) -> Iterator[StudyRun]:
    for arm in study.arms:
        for seed in arm.seeds or study.seeds:
            recipe = arm_recipe(study, arm, folder, seed)
            yield StudyRun(recipe, output / f"{recipe.arm}-s{seed}")


def arm_recipe(study: Study, arm: Arm, folder: Path, seed: int) -> Recipe:
    """Return the recipe of one arm of a study whose file is in `folder`."""
    beside = folder / arm.recipe
    source = str(beside) if beside.suffix == ".toml" and beside.is_file() else arm.recipe
    renamed = [f'arm="{arm.name}"'] if arm.name else []
    return load_recipe(source, [*study.set, *arm.set, *renamed, f"seed={seed}"])


def run_study(
    study: Study, runs: list[StudyRun], output: Path, *, announce: Callable[[str], None], threads: int | None = None, progress: Any = None
) -> None:
    """Train what is not trained yet, say which settings are fit for comparison, then score every student and baseline.

    The verdicts go to `fitness.json`. Scoring is on `threads` where the study's scoring names none.

    Raises:
        UserError: from training or scoring; the study continues where it stopped when called again.
    """
    from askd_trainers.distil import train_recipe  # torch is slow to import, and planning does not need it

    for number, run in enumerate(runs, 1):
        state = "trained already" if run.done else "training"
        announce(f"[{number}/{len(runs)}] {run.recipe.arm}, seed {run.recipe.seed}: {state}")
        train_recipe(run.recipe, run.output, progress=progress)
    _say_what_is_fit(runs, output, announce)
    models = [*study.scoring.baselines, *(str(run.student) for run in runs)]
    for suite in study.scoring.suites:
        for model in models:
            announce(f"scoring {Path(model).name} on {suite}")
            _score(model, suite, study.scoring, study.scoring.threads or threads, output / "results")


def _say_what_is_fit(runs: list[StudyRun], output: Path, announce: Callable[[str], None]) -> None:
    validated_runs = [(run.recipe, run.output) for run in runs if run.recipe.data.validation is not None]
    verdicts = judge(validated_runs, lambda recipe: teacher_on_dev(recipe, output / "teacher-dev.json"))
    for verdict in verdicts:
        announce(str(verdict))
    write_json(output / "fitness.json", [{"fit": verdict.fit, **asdict(verdict)} for verdict in verdicts])


def _score(model: str, suite: str, scoring: Scoring, threads: int | None, results: Path) -> None:
    """Score one model on one suite; rows that are there already are kept."""
    from askd_bench.evaluation.run import run as evaluate

    evaluate(suite, model, output=results, limit=scoring.limit, full=scoring.full, batch_size=scoring.batch_size, threads=threads)
