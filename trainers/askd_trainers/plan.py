"""What a run would do and how long it would take, from ten measured steps; nothing is left on disk but cached encoder states."""

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from askd_trainers.data.encoder_states import FrozenEncoder
from askd_trainers.distil import prepare
from askd_trainers.environment import resolve_precision
from askd_trainers.recipe import Recipe
from askd_trainers.session import Prepared
from askd_trainers.trainer.arguments import require_trackers

MEASURED_STEPS = 10


@dataclass(frozen=True)
class Plan:
    """Figures of a run to come; seconds are measured here and now, on a machine that may be busy."""

    arm: str
    seed: int
    steps: int
    phase_a_steps: int
    batch_size: int
    parameters: int
    trained_parameters: int
    examples: int
    hours: float
    speakers: int
    precision: str
    clips_to_encode: int
    encode_s: float
    step_a_s: float
    step_b_s: float | None

    @property
    def total_s(self) -> float:
        """Encoding what is not cached, then all steps; evaluation and saving come on top."""
        later = self.steps - self.phase_a_steps if self.step_b_s is not None else 0
        return self.clips_to_encode * self.encode_s + (self.steps - later) * self.step_a_s + later * (self.step_b_s or 0.0)


def make_plan(recipe: Recipe, *, measured_steps: int = MEASURED_STEPS) -> Plan:
    """Prepare the run in a temporary folder and measure a few steps of each phase.

    Raises:
        UserError: whatever would stop the run itself.
    """
    require_trackers(recipe)  # none is used below
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(recipe.model_copy(update={"runtime": recipe.runtime.model_copy(update={"trackers": ()})}), Path(folder))
        batches = list(itertools.islice(_endless(run.trainer), measured_steps))
        encode_s = _measure_encoding(run)
        schedule = run.trainer.schedule
        second = schedule.phase_a_steps < recipe.optimisation.steps
        step_a = _measure_steps(run, batches, 0)
        step_b = _measure_steps(run, batches, recipe.optimisation.steps - 1) if second else None
        return Plan(
            arm=recipe.arm,
            seed=recipe.seed,
            steps=recipe.optimisation.steps,
            phase_a_steps=schedule.phase_a_steps,
            batch_size=recipe.optimisation.batch_size,
            parameters=sum(p.numel() for p in run.student.parameters()),
            trained_parameters=sum(p.numel() for p in run.student.parameters() if p.requires_grad),
            examples=len(run.train),
            hours=run.data_record["hours"],
            speakers=len(run.data_record["speakers"]),
            precision="bf16" if resolve_precision(recipe) else "float32",
            clips_to_encode=run.train.uncached() + (run.validation.uncached() if run.validation else 0),
            encode_s=encode_s,
            step_a_s=step_a,
            step_b_s=step_b,
        )


def _endless(trainer: Any) -> Any:
    while True:
        yield from trainer.get_train_dataloader()


def _measure_encoding(run: Prepared[Recipe]) -> float:
    """Return seconds a clip, the mean over the encoders there are."""
    encoders: list[FrozenEncoder] = list({id(encoder): encoder for encoder in run.encoders.values() if encoder is not None}.values())
    samples = run.train.examples[0].samples()
    started = time.perf_counter()
    for encoder in encoders:
        encoder.encode(torch.from_numpy(encoder.frontend(samples))[None].to(run.trainer.args.device))
    return (time.perf_counter() - started) / max(1, len(encoders))


def _measure_steps(run: Prepared[Recipe], batches: list[Any], step: int) -> float:
    """Return seconds a step, states of the encoder at hand; the weights stay as they are (learning rate 0)."""
    trainer = run.trainer
    optimiser = torch.optim.AdamW([p for p in run.student.parameters() if p.requires_grad], lr=0.0)
    trainer.state.global_step = step
    ready = [_with_states(run, trainer._prepare_inputs(batch)) for batch in batches]
    started = time.perf_counter()
    for inputs in ready:
        with trainer.accelerator.autocast():
            loss = trainer.compute_loss(run.student, inputs)
        torch.autograd.backward(loss)
        optimiser.step()
        optimiser.zero_grad()
    return (time.perf_counter() - started) / len(ready)


def _with_states(run: Prepared[Recipe], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the batch as it comes from a full cache."""
    ready = dict(inputs)
    for role, encoder in run.encoders.items():
        if encoder is not None:
            ready[f"{role}_states"] = encoder.complete({name.removeprefix(f"{role}_"): tensor for name, tensor in inputs.items()}).half()
            ready.pop(f"{role}_features", None)
            ready.pop(f"{role}_missing", None)
    return ready
