"""transformers' trainer with checkpoints that are whole or absent, and runs that go on from them to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import Seq2SeqTrainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from askd_bench.errors import UserError
from askd_trainers.trainer.checkpoints import load_extras, whole_checkpoint

Progress = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and of how much."""


class ResumableTrainer(Seq2SeqTrainer):  # type: ignore[misc]
    """What all trainings here share.

    Attributes:
        schedule, self_teacher: a `LossSchedule` and a `SelfTeacher`, saved and restored with the weights, where there are any.
    """

    schedule: Any = None
    self_teacher: Any = None

    def train(self, resume_from_checkpoint: Any = None, **options: Any) -> Any:
        """Train; continue from a checkpoint folder where one is given, else evaluate first what training starts from.

        Raises:
            UserError: a tracker cannot start.
        """
        self.args.eval_on_start = not resume_from_checkpoint and self.args.eval_strategy != "no"
        if resume_from_checkpoint:
            load_extras(resume_from_checkpoint, self.schedule, self.self_teacher)
            saved = TrainerState.load_from_json(str(Path(resume_from_checkpoint) / TRAINER_STATE_NAME))
            if saved.global_step >= self.args.max_steps:  # transformers would take one step more
                self._load_from_checkpoint(str(resume_from_checkpoint))
                self.state = saved
                return None
        try:
            return super().train(resume_from_checkpoint=resume_from_checkpoint, **options)
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "wandb":
                raise
            raise UserError(
                f"runtime.trackers: 'wandb' cannot start: {' '.join(str(error).split())}; use `wandb login`, or set WANDB_MODE=offline"
            ) from error

    def evaluate_at_end(self, metric: str) -> None:
        """Evaluate, where there is something to validate on, unless the log has `metric` of the last step."""
        done = any(metric in entry and entry["step"] == self.state.global_step for entry in self.state.log_history)
        if self.eval_dataset is not None and not done:
            self.evaluate()

    def report_to(self, progress: Progress | None) -> None:
        """Tell `progress` of every step that is taken."""
        if progress is not None and self.is_world_process_zero():
            self.add_callback(_StepProgress(progress))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with whole_checkpoint(self.args.output_dir, self.state.global_step, self.schedule, self.self_teacher, self.args.should_save):
            super()._save_checkpoint(model, trial)


class _StepProgress(TrainerCallback):  # type: ignore[misc]
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.progress("training", state.global_step, state.max_steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.progress("training", state.global_step, state.max_steps)
