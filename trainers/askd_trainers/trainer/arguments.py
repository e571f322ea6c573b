"""From a recipe to transformers' training arguments."""

import os
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import Seq2SeqTrainingArguments

from askd_bench.errors import UserError
from askd_trainers.recipe import BaseRecipe


def training_arguments(recipe: BaseRecipe, output: Path, *, examples: int, validates: bool, bf16: bool) -> Seq2SeqTrainingArguments:
    """Return the arguments of a run in `output`, which is made; the effective batch is the recipe's, whatever the number of processes.

    Args:
        recipe: its optimisation and runtime count here.
        output: of checkpoints and logs.
        examples: to train on.
        validates: whether there is something to validate on.
        bf16: see `resolve_precision`.

    Raises:
        UserError: batch sizes that do not fit, a tracker that is not installed, FSDP, or a folder that cannot be made.
    """
    o, r = recipe.optimisation, recipe.runtime
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise UserError("accelerate: FSDP cannot be used: each device keeps student and self-teacher whole (allowed: one device, DDP)")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if o.batch_size % processes:
        raise UserError(f"optimisation.batch_size: {o.batch_size} cannot be shared by {processes} processes")
    share = o.batch_size // processes
    micro = min(o.micro_batch_size or share, share)
    if share % micro:
        raise UserError(f"optimisation.micro_batch_size: {micro} does not divide the {share} utterances of each process")
    if examples < o.batch_size:
        raise UserError(f"optimisation.batch_size: {o.batch_size} is more than the {examples} training examples")
    require_trackers(recipe)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output: {output} cannot be made: {error.strerror}") from error
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(output / "tensorboard")  # where transformers looks
    return Seq2SeqTrainingArguments(
        output_dir=str(output),
        max_steps=o.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        per_device_eval_batch_size=r.eval_batch_size,
        learning_rate=o.learning_rate,
        lr_scheduler_type=o.learning_rate_schedule,
        warmup_steps=o.warmup_steps,
        weight_decay=o.weight_decay,
        adam_beta1=o.adam_beta1,
        adam_beta2=o.adam_beta2,
        adam_epsilon=o.adam_epsilon,
        max_grad_norm=o.max_grad_norm,
        bf16=bf16,
        ddp_find_unused_parameters=False,
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_drop_last=True,
        dataloader_num_workers=r.workers,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_steps=r.log_steps,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validates else "no",
        eval_steps=r.eval_steps,
        save_strategy="steps",
        save_steps=r.save_steps,
        save_total_limit=r.keep_checkpoints,
        report_to=list(r.trackers) or "none",
        disable_tqdm=True,
    )


def require_trackers(recipe: BaseRecipe) -> None:
    """Refuse a tracker that is not installed."""
    missing = next((name for name in recipe.runtime.trackers if find_spec(name) is None), None)
    if missing is not None:
        raise UserError(f"runtime.trackers: {missing!r} is not installed; pip install {missing}")
