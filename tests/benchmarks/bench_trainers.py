"""Cost of a training step: askd against kd, and kd against Distil-Whisper's own loop, at equal batch, model and dtype.

    pytest tests/benchmarks/bench_trainers.py --benchmark-only

Distil-Whisper's step is written from what its released `run_distillation.py` does (huggingface/distil-whisper): log-mel features go
through the shared frozen encoder in every step; logits are computed at every position of labels padded to `max_label_length` (448 unless
told otherwise; 128 here, which needs a third of the memory); KL by `nn.KLDivLoss` over softmaxes with a padding mask; 0.8·CE + KL·τ²;
gradients clipped; AdamW. A second version pads labels to the longest of the batch only, which is kinder to it than its code.
"""

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from askd_trainers.distil import prepare
from askd_trainers.recipe_files import load_recipe

BATCH = 8
MAX_LABEL_LENGTH = 128
ARMS = ["ce", "kd", "askd-phase-a", "askd-phase-b", "kd-live-encoder"]
DISTIL_WHISPER = ["distil-whisper", "distil-whisper-longest"]


def askd_step(name: str, precision: str, folder: Path):
    """Return a function that takes one whole optimiser step of an arm."""
    arm = name.split("-")[0]
    recipe = load_recipe(
        arm,
        [
            "data.train=dialogue", "data.train_split=dev", "data.guard_suites=[]", "data.max_train_utterances=16",
            "data.validation=", f"optimisation.batch_size={BATCH}", f"optimisation.precision={precision}",
            "runtime.trackers=[]", *(["runtime.cache_gb=0"] if "live" in name else []),
        ],
    )  # fmt: skip
    run = prepare(recipe, folder)
    run.train.fill_cache()
    trainer = run.trainer
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainable = [p for p in run.student.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=1e-4)
    trainer.state.global_step = recipe.optimisation.steps - 1 if name.endswith("phase-b") else 0
    run.student.train()

    def step() -> None:
        with trainer.accelerator.autocast():
            loss = trainer.compute_loss(run.student, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(trainable, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        trainer.after_step()

    return step


def distil_whisper_step(name: str, precision: str, folder: Path):
    """Return a function that takes one whole optimiser step as Distil-Whisper's script does."""
    recipe = load_recipe(
        "kd",
        [
            "data.train=dialogue", "data.train_split=dev", "data.guard_suites=[]", "data.max_train_utterances=16",
            "data.validation=", f"optimisation.batch_size={BATCH}", "runtime.cache_gb=0", "runtime.trackers=[]",
        ],
    )  # fmt: skip
    run = prepare(recipe, folder)
    ours = next(iter(run.trainer.get_train_dataloader()))
    # The plain classes and their own attention: nothing of our faster forward pass.
    teacher, student = (_plain(model) for model in (run.teacher, run.student))
    for p in student.model.encoder.parameters():
        p.requires_grad_(False)
    length = MAX_LABEL_LENGTH - 1 if name == "distil-whisper" else ours["labels"].shape[1]
    missing = length - ours["labels"].shape[1]
    batch = {
        "input_features": ours["student_features"],
        "labels": nn.functional.pad(ours["labels"], (0, missing), value=-100),
        "decoder_input_ids": nn.functional.pad(ours["decoder_input_ids"], (0, missing), value=50256),
    }
    optimiser = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=1e-4)
    temperature = 2.0

    def step() -> None:
        student.train()
        teacher.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            of_student = student(**batch)
            with torch.no_grad():
                shared = BaseModelOutput(of_student.encoder_last_hidden_state)
                of_teacher = teacher(encoder_outputs=shared, labels=batch["labels"])
        q = nn.functional.softmax(of_teacher.logits.float() / temperature, dim=-1)
        log_p = nn.functional.log_softmax(of_student.logits.float() / temperature, dim=-1)
        mask = (batch["labels"] >= 0).unsqueeze(-1)
        divergence = (nn.KLDivLoss(reduction="none")(log_p, q) * mask).sum() / mask.sum()
        loss = 0.8 * of_student.loss + divergence * temperature**2
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()

    return step


def _plain(model: nn.Module) -> WhisperForConditionalGeneration:
    plain = WhisperForConditionalGeneration(model.config)
    plain.load_state_dict(model.state_dict())
    return plain


def make_step(name: str, precision: str, folder: Path):
    torch.set_num_threads(1)
    return (distil_whisper_step if name in DISTIL_WHISPER else askd_step)(name, precision, folder)


def peak_memory_mb(name: str, precision: str, folder: Path) -> float:
    """Return how much the peak resident memory of a fresh process grows over three steps."""
    code = f"from bench_trainers import *; print(measure_growth({name!r}, {precision!r}, Path({str(folder)!r})))"
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure_growth(name: str, precision: str, folder: Path) -> float:
    step = make_step(name, precision, folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", [*ARMS, *DISTIL_WHISPER])
def test_training_step(benchmark, tmp_path, name, precision):
    benchmark.group = precision
    benchmark.pedantic(make_step(name, precision, tmp_path), rounds=4, warmup_rounds=1)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_askd_against_kd_in_turns(benchmark, tmp_path, precision):
    """Steps of the arms in turns, so that a busy machine is busy for all; `extra_info` has the ratios of their median processor times."""
    benchmark.group = f"{precision}, a round of one step each"
    arms = ["kd", "ce", "askd-phase-a", "askd-phase-b"]
    steps = {name: make_step(name, precision, tmp_path / name) for name in arms}
    seconds: dict[str, list[float]] = {name: [] for name in arms}

    def one_round() -> None:
        for name, step in steps.items():
            started = time.process_time()
            step()
            seconds[name].append(time.process_time() - started)

    benchmark.pedantic(one_round, rounds=12, warmup_rounds=2)
    medians = {name: statistics.median(times[2:]) for name, times in seconds.items()}
    benchmark.extra_info |= {f"{name} / kd": round(value / medians["kd"], 3) for name, value in medians.items()}


@pytest.mark.parametrize("name", ["kd", "askd-phase-b", *DISTIL_WHISPER])
def test_peak_memory(benchmark, tmp_path, name):
    benchmark.group = "a process of three float32 steps"
    benchmark.extra_info["peak_memory_growth_mb"] = benchmark.pedantic(peak_memory_mb, args=(name, "float32", tmp_path), rounds=1)
