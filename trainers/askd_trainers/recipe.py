"""A recipe: everything that decides what a training run does, as one validated TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from askd_bench.errors import UserError, unknown_name
from askd_bench.paths import DATA_ROOT

M = TypeVar("M", bound=BaseModel)

RECIPES_DIR = DATA_ROOT / "recipes" if (DATA_ROOT / "recipes").is_dir() else DATA_ROOT / "trainers" / "recipes"
"""The recipes that come with the package, one a file."""


class Section(BaseModel):
    """A table of a recipe: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class StudentAudioContext(Section):
    """How much of the encoder a student runs on; see `askd_bench.models.audio_context.AudioContext`."""

    margin: int = Field(64, ge=0)
    floor: int = Field(0, ge=0)
    rows: Literal["first", "last"] = "first"


class Student(Section):
    """What is trained.

    Attributes:
        checkpoint: a student to start from; None makes one by copying layers of the teacher.
        audio_context: the encoder positions that the student uses for a clip (Whisper); None for its checkpoint's, or all of them.
        decoder_layers: layers to copy (Whisper).
        encoder_layers: layers to copy; None for all.
        window_seconds: length of the encoder's window; None for the teacher's.
        trainable: "decoder-layers" leaves encoder, embeddings and final norm as the teacher's, so that they can be shared on disk;
            "decoder" frees all but the encoder; "all" frees everything. CTC students take "all".
    """

    checkpoint: str | None = None
    audio_context: StudentAudioContext | None = None
    decoder_layers: int = Field(2, ge=1)
    encoder_layers: int | None = Field(None, ge=1)
    window_seconds: float | None = Field(None, ge=1, le=30)
    trainable: Literal["decoder-layers", "decoder", "all"] = "decoder-layers"


class SpecAugment(Section):
    """Masks on the spectrograms that the student sees in training (Park et al. 2019, arXiv 1904.08779), drawn anew in each step.

    Attributes:
        time_masks, time_frames: how many stretches of time are masked, and the longest of them, in frames of 10 ms.
        frequency_masks, frequency_bins: the same over mel bands.
    """

    time_masks: int = Field(1, ge=0)
    time_frames: int = Field(20, ge=0)
    frequency_masks: int = Field(1, ge=0)
    frequency_bins: int = Field(10, ge=0)


class Data(Section):
    """Where the speech comes from.

    Attributes:
        train: corpora, as `askd-bench run --corpus` takes them.
        validation: one corpus for the validation curve, of other speakers than those trained on; None (in TOML "") for no curve.
        train_split, validation_split: keep utterances of that split only; None (in TOML "") for all.
        max_train_utterances, max_validation_utterances: a random choice of so many, the same for all arms and seeds;
            None for all.
        max_duration_s: longer training clips are left out (and counted); None for the model's window.
        language, task: for multilingual Whisper checkpoints; None is "en".
        suite: a suite (name or file) whose conditions perturb the training speech; None for clean speech alone.
        conditions: which of them, as `askd-bench run --conditions` takes them; none for the suite's default grid.
        variants: perturbed copies of each utterance, beside the clean one, where there is a suite.
        teacher_hears: "same" as the student, or "clean": the utterance itself where the student hears a perturbed copy.
        augment: masks on the student's spectrograms; None for none.
        guard_suites: suites with whose test speakers and test audio nothing may be shared; None for all that are bundled.
    """

    train: tuple[str, ...] = Field(min_length=1)
    validation: str | None = None
    train_split: str | None = None
    validation_split: str | None = "dev"
    max_train_utterances: int | None = Field(None, ge=1)
    max_validation_utterances: int | None = Field(None, ge=1)
    max_duration_s: float | None = Field(None, gt=0)
    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    suite: str | None = None
    conditions: tuple[str, ...] = ()
    variants: int = Field(1, ge=1)
    teacher_hears: Literal["same", "clean"] = "same"
    augment: SpecAugment | None = None
    guard_suites: tuple[str, ...] | None = None

    @field_validator("validation", "train_split", "validation_split", mode="before")
    @classmethod
    def _none_in_toml(cls, value: Any) -> Any:
        return value or None

    @model_validator(mode="after")
    def _conditions_of_a_suite(self) -> "Data":
        if self.conditions and self.suite is None:
            raise ValueError("conditions need a suite that they are of: data.suite is not given")
        return self


class TeacherTerm(Section):
    """The divergence from the teacher.

    Attributes:
        schedule: of the weight over phase A; "adaptive" follows the measured gap between student and teacher.
        weight: λ_0, before the factor τ².
        cross_entropy_weight: a fixed weight of the cross-entropy; None makes it 1 - λ_t.
        hidden_weight: of the mean squared error between student's and teacher's decoder states, over all layers (Whisper, of as many
            decoder layers and dimensions as the teacher); it follows the schedule as the divergence does.
        gap_momentum: smoothing of the measured gap, for "adaptive".
    """

    schedule: Literal["constant", "linear", "cosine", "adaptive"] = "constant"
    weight: float = Field(ge=0)
    cross_entropy_weight: float | None = Field(None, ge=0)
    hidden_weight: float = Field(0.0, ge=0)
    gap_momentum: float = Field(0.98, ge=0, lt=1)

    @model_validator(mode="after")
    def _convex(self) -> "TeacherTerm":
        if self.cross_entropy_weight is None and self.weight > 1:
            raise ValueError("weight must be at most 1 where cross_entropy_weight is not given (it is then 1 - weight)")
        return self


class SelfTeacherTerm(Section):
    """The divergence from an earlier self, in phase B.

    Attributes:
        kind: "snapshot" is the student at the end of phase A, "ema" a moving average of its weights since then, "previous-epoch" the
            student at the end of the last epoch (as PS-KD).
        weight: β_max, approached over phase B.
        decay: of the moving average, a step.
        hears: "same" as the student, or "clean": the utterance itself where the student hears a perturbed or masked one.
    """

    kind: Literal["snapshot", "ema", "previous-epoch"] = "ema"
    weight: float = Field(ge=0, le=1)
    decay: float = Field(0.999, gt=0, lt=1)
    hears: Literal["same", "clean"] = "same"


class Objective(Section):
    """What is minimised; see `askd_trainers.schedules` for the formulas.

    Attributes:
        temperature: τ of both divergences.
        label_smoothing: ε of the cross-entropy.
        confidence_penalty: weight of the entropy that is subtracted.
        teacher: None for no distillation.
        phase_a_fraction: share of the steps after which the teacher is left; 1 keeps it to the end.
        self_teacher: None for no phase B; after phase A the cross-entropy then stands alone.
    """

    temperature: float = Field(2.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    confidence_penalty: float = Field(0.0, ge=0)
    teacher: TeacherTerm | None = None
    phase_a_fraction: float = Field(1.0, ge=0, le=1)
    self_teacher: SelfTeacherTerm | None = None

    @model_validator(mode="after")
    def _phase_b(self) -> "Objective":
        if self.self_teacher is not None and self.phase_a_fraction == 1:
            raise ValueError("self_teacher needs a phase B: phase_a_fraction must be below 1")
        return self


class Optimisation(Section):
    """How it is minimised: AdamW.

    Attributes:
        steps: T, optimiser steps.
        batch_size: utterances a step, over all processes and accumulated batches.
        micro_batch_size: utterances that go through a process at once; None for its whole share.
        encoder_learning_rate: peak rate of the encoder's weights; None for the same.
        group_by_length: batches of clips of similar length, so that little of a batch is padding.
        precision: "auto" is bf16 where the processor computes it, float32 otherwise; `environment.json` says which.
    """

    steps: int = Field(ge=1)
    batch_size: int = Field(16, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    encoder_learning_rate: float | None = Field(None, gt=0)
    group_by_length: bool = False
    learning_rate_schedule: Literal["linear", "constant_with_warmup", "cosine"] = "linear"
    warmup_steps: int = Field(50, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    adam_beta2: float = Field(0.999, ge=0, lt=1)
    adam_epsilon: float = Field(1e-8, gt=0)
    max_grad_norm: float = Field(1.0, gt=0)
    precision: Literal["auto", "bf16", "float32"] = "auto"

    @model_validator(mode="after")
    def _divides(self) -> "Optimisation":
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of micro_batch_size {self.micro_batch_size}")
        return self


class Runtime(Section):
    """What changes the cost of a run, not its result.

    Attributes:
        cache_gb: disk for cached states of a frozen encoder; what does not fit is computed each time. 0 turns the cache off.
        keep_checkpoints: at least 2, so that a failed save leaves a good one.
    """

    cache_gb: float = Field(8.0, ge=0)
    log_steps: int = Field(20, ge=1)
    eval_steps: int = Field(200, ge=1)
    eval_batch_size: int = Field(16, ge=1)
    save_steps: int = Field(200, ge=1)
    keep_checkpoints: int = Field(2, ge=2)
    workers: int = Field(0, ge=0)
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)


class BaseRecipe(Section):
    """What every run has.

    Attributes:
        arm: its name in tables and folders.
        teacher: a directory or Hub id; a bundled checkpoint by name. Needed by every arm that starts from it or distils it.
        seed: of initialisation, order and everything else random.
    """

    arm: str = Field(pattern=r"^[^/\\]+$")
    teacher: str = "whisper-tiny.en"
    seed: int = Field(0, ge=0, lt=2**32)
    student: Student = Student()
    data: Data
    optimisation: Optimisation
    runtime: Runtime = Runtime()

    @property
    def start(self) -> str:
        """Return what the student is made from: its tokenizer, its licence and its name come from there."""
        return self.student.checkpoint or self.teacher

    @property
    def student_name(self) -> str:
        """Return what the student's folder is called, and the student in result directories."""
        return f"{Path(self.start).name}-{self.arm}-s{self.seed}"


class Recipe(BaseRecipe):
    """One arm, one seed.

    Attributes:
        family: what the models are; "whisper" trains on label positions, "ctc" on frames.
        objective: what is minimised.
    """

    family: Literal["whisper", "ctc"] = "whisper"
    objective: Objective

    @model_validator(mode="after")
    def _family(self) -> "Recipe":
        if self.family == "ctc" and self.student.trainable != "all":
            raise ValueError("student.trainable must be 'all' for family 'ctc'")
        if self.family == "ctc" and self.data.teacher_hears == "clean":
            raise ValueError("data.teacher_hears must be 'same' for family 'ctc'")
        teacher = self.objective.teacher
        if self.family == "ctc" and (self.student.audio_context or self.data.augment or (teacher and teacher.hidden_weight)):
            raise ValueError("student.audio_context, data.augment and objective.teacher.hidden_weight are for family 'whisper'")
        if self.student.audio_context is not None and self.student.trainable != "all":
            raise ValueError("student.trainable must be 'all' where student.audio_context is given: the encoder learns to run on less")
        if self.family == "ctc" and self.student.window_seconds is not None:
            raise ValueError("student.window_seconds is for family 'whisper': models of family 'ctc' have no window")
        return self


R = TypeVar("R", bound=BaseRecipe)


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, with what it extends and what `--set` changes.

    A recipe may name another with `extends = "other.toml"`, beside itself or else a bundled one; tables are merged, its own values win.

    Args:
        source: a file, or the name of a bundled recipe (without `.toml`).
        overrides: `section.key=value`, with the value in TOML (a bare word counts as a string).

    Raises:
        UserError: the file is missing or no TOML, a key is unknown, or a value out of range; one line that names it.

    Example:
        >>> recipe = load_recipe("askd", ["data.train=speech.jsonl", "objective.temperature=4"])
        >>> recipe.arm, recipe.objective.temperature, recipe.data.train
        ('askd', 4.0, ('speech.jsonl',))
    """
    return load_recipe_of(Recipe, source, overrides)


def load_recipe_of(kind: type[R], source: str | Path, overrides: Sequence[str] = ()) -> R:
    """Read a recipe of another `kind`; see `load_recipe`."""
    path = Path(source)
    if not path.suffix and not path.is_file():
        path = RECIPES_DIR / f"{source}.toml"
        if not path.is_file():
            raise unknown_name("recipe", str(source), [p.stem for p in RECIPES_DIR.glob("*.toml") if not p.stem.startswith("_")])
    values = _read(path)
    for override in overrides:
        _apply(values, override)
    return validated(kind, values, str(path))


def validated(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """Return `model` made of `values`, or raise a `UserError` that names the first wrong key."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "recipe"
        value = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f" (got {first['input']!r})"
        known = f"; known keys here: {', '.join(_keys_at(model, first['loc']))}" if first["type"] == "extra_forbidden" else ""
        raise UserError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}{value}{known}") from error


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        inner = [t for t in (field.annotation, *getattr(field.annotation, "__args__", ())) if field] if field else []
        model = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), model)
    return sorted(model.model_fields)


def _read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"recipe: {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"recipe: {path} is not valid TOML: {error}") from error
    if "extends" not in values:
        return values
    parent, chain = values.pop("extends"), (*below, path.resolve())
    beside = path.parent / str(parent)
    below_this = RECIPES_DIR / str(parent) if not beside.is_file() and (RECIPES_DIR / str(parent)).is_file() else beside
    if not isinstance(parent, str) or below_this.resolve() in chain:
        raise UserError(f"recipe: {path}: extends: {parent!r} must name another file that does not extend this one")
    return merged(_read(below_this, chain), values)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables in one; where both have a value, that of `above`.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _apply(values: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name.strip():
        raise UserError(f"--set: {override!r} is not of the form section.key=value")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, key = name.strip().split(".")
    table = values
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UserError(f"--set: {name!r}: {section!r} is not a table")
    table[key] = (value,) if (sections, key) == (["data"], "train") and isinstance(value, str) else value
