"""What a recipe may say: everything that decides what a training run does, field by field. `recipe_files.py` reads one."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


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
        repeats: share of the clips in whose true prefix the student reads a repeated phrase (Whisper); see `data/repeats.py`.
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
    repeats: float = Field(0.0, ge=0, le=1)
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
        schedule: "phase-b" raises the weight over phase B; "crossfade" hands over what the teacher gives up in phase A, and keeps it.
        weight: β_max, approached over phase B.
        decay: of the moving average, a step.
        hears: "same" as the student, or "clean": the utterance itself where the student hears a perturbed or masked one.
    """

    kind: Literal["snapshot", "ema", "previous-epoch"] = "ema"
    schedule: Literal["phase-b", "crossfade"] = "phase-b"
    weight: float = Field(ge=0, le=1)
    decay: float = Field(0.999, gt=0, lt=1)
    hears: Literal["same", "clean"] = "same"


class Objective(Section):
    """What is minimised; see `askd_trainers.objective.schedules` for the formulas.

    Attributes:
        temperature: τ of both divergences.
        label_smoothing: ε of the cross-entropy.
        confidence_penalty: weight of the entropy that is subtracted.
        teacher: None for no distillation.
        phase_a_fraction: share of the steps after which the teacher is left; 1 keeps it to the end.
        phase_a_patience: leave it earlier, once dev cross-entropy has not fallen below its best at so many evaluations in a row; None
            for at `phase_a_fraction` only.
        self_teacher: None for no phase B; after phase A the cross-entropy then stands alone.
    """

    temperature: float = Field(2.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    confidence_penalty: float = Field(0.0, ge=0)
    teacher: TeacherTerm | None = None
    phase_a_fraction: float = Field(1.0, ge=0, le=1)
    phase_a_patience: int | None = Field(None, ge=1)
    self_teacher: SelfTeacherTerm | None = None

    @model_validator(mode="after")
    def _phase_b(self) -> "Objective":
        crossfade = self.self_teacher is not None and self.self_teacher.schedule == "crossfade"
        if self.self_teacher is not None and self.phase_a_fraction == 1 and not crossfade:
            raise ValueError("self_teacher needs a phase B: phase_a_fraction must be below 1")
        if crossfade and (self.teacher is None or self.teacher.schedule == "constant"):
            raise ValueError(
                "self_teacher.schedule 'crossfade' needs a teacher whose weight decays: teacher.schedule must not be 'constant'"
            )
        if self.phase_a_patience is not None and self.phase_a_fraction == 0:
            raise ValueError("phase_a_patience needs a phase A: phase_a_fraction must be above 0")
        return self


class Optimisation(Section):
    """How it is minimised: AdamW.

    Attributes:
        steps: T, optimiser steps.
        batch_size: utterances a step, over all processes and accumulated batches.
        micro_batch_size: utterances that go through a process at once; None for its whole share.
        encoder_learning_rate: peak rate of the encoder's weights; None for the same.
        group_by_length: batches of clips of similar length, so that little of a batch is padding.
        phase_b_learning_rate: "continue" the schedule through phase B, "hold" the rate that phase A ended with, or "restart" the whole
            schedule, warm-up included, so that each phase has one of its own.
        precision: "auto" is bf16 where the processor computes it, float32 otherwise; `environment.json` says which.
    """

    steps: int = Field(ge=1)
    batch_size: int = Field(16, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    encoder_learning_rate: float | None = Field(None, gt=0)
    group_by_length: bool = False
    learning_rate_schedule: Literal["linear", "constant_with_warmup", "cosine"] = "linear"
    phase_b_learning_rate: Literal["continue", "hold", "restart"] = "continue"
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
        train_eval_utterances: clean training utterances whose cross-entropy is measured as that of dev is, without dropout, at each
            evaluation: their gap is over-fitting. 0 for none.
        keep_checkpoints: at least 2, so that a failed save leaves a good one.
        shared_weights: save a student that has its teacher's encoder and embeddings without them, pointing to the teacher's folder.
    """

    cache_gb: float = Field(8.0, ge=0)
    log_steps: int = Field(20, ge=1)
    eval_steps: int = Field(200, ge=1)
    eval_batch_size: int = Field(16, ge=1)
    train_eval_utterances: int = Field(100, ge=0)
    save_steps: int = Field(200, ge=1)
    keep_checkpoints: int = Field(2, ge=2)
    workers: int = Field(0, ge=0)
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    shared_weights: bool = False


class BaseRecipe(Section):
    """What every run has.

    Attributes:
        arm: its name in tables and folders.
        teacher: a directory or Hub id; a bundled checkpoint by name. Needed by every arm that starts from it or distils it.
        seed: of order and everything else random; initialisation is not: layers are copied.
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
        whisper_only = {
            "student.audio_context": self.student.audio_context,
            "data.augment": self.data.augment,
            "data.repeats": self.data.repeats,
            "objective.teacher.hidden_weight": teacher and teacher.hidden_weight,
        }
        if self.family == "ctc" and (given := [name for name, value in whisper_only.items() if value]):
            raise ValueError(f"{given[0]} is for family 'whisper'")
        if self.data.augment is not None and self.student.trainable != "all":
            raise ValueError("student.trainable must be 'all' where data.augment is given: states of a frozen encoder are kept, not masked")
        if self.objective.phase_a_patience is not None and self.data.validation is None:
            raise ValueError("objective.phase_a_patience needs data.validation: phase A ends by a rule on it")
        if self.student.audio_context is not None and self.student.trainable != "all":
            raise ValueError("student.trainable must be 'all' where student.audio_context is given: the encoder learns to run on less")
        if self.family == "ctc" and self.student.window_seconds is not None:
            raise ValueError("student.window_seconds is for family 'whisper': models of family 'ctc' have no window")
        return self
