"""`bench`: latency and throughput of a model, measured properly, without scoring."""

import time
from collections.abc import Sequence

import numpy as np

from askd_bench.arguments import whole_number_of
from askd_bench.corpora import open_corpus, select
from askd_bench.errors import UserError
from askd_bench.evaluation.memory import peak_memory_bytes
from askd_bench.evaluation.timings import Benchmark, Speed
from askd_bench.log import LOG
from askd_bench.metrics.speed import latency, rtfx
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.models.protocol import Transcriber, is_timed
from askd_bench.options import ModelOptions
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.suites import Condition
from askd_bench.types import SAMPLING_RATE, Samples

_CLEAN = Condition(id="clean")


def bench(
    model: str = DEFAULT_MODEL,
    *,
    corpus: str = "prompts",
    clips: int = 32,
    batch_sizes: int | Sequence[int] = (1, 4, 16),
    rounds: int = 3,
    warmup: int = 2,
    options: ModelOptions | None = None,
) -> Benchmark:
    """Measure how fast a model is; the command `askd-bench bench`.

    Every batch size decodes the same clips, sorted by length, as a run does. First `warmup` batches are decoded and forgotten, then all
    clips `rounds` times. On a GPU the clock waits for the device, because a transcription is on the host when it is done.

    Args:
        model: see `load_transcriber`.
        corpus: a spec for `open_corpus`; clips longer than the model's window are left out.
        clips: how many, a seeded sample.
        batch_sizes: from the smallest up.
        rounds: how often all clips are decoded.
        warmup: batches decoded beforehand.
        options: how to run the model.

    Raises:
        UserError: bad input, or a model without timings of its own.
    """
    for name, value, least in (("clips", clips, 1), ("rounds", rounds, 1), ("warmup", warmup, 0)):
        whole_number_of(name, value, least=least)
    sizes = sorted({whole_number_of("batch_sizes", size, least=1) for size in _listed(batch_sizes)})
    if not sizes:
        raise UserError("batch_sizes: none is given (allowed: one or more)")
    transcriber = load_transcriber(model, options)
    if not is_timed(transcriber):
        raise UserError(f"model: {model!r} has no speed of its own to measure (allowed: a model that decodes)")
    audio = clips_within(corpus, clips, transcriber.window_s)
    started = time.perf_counter()
    features = [transcriber.frontend(samples) for samples in audio]
    frontend_s = (time.perf_counter() - started) / len(features)
    audio_s = sum(len(samples) for samples in audio) / SAMPLING_RATE
    speeds = []
    for size in sizes:
        batches = [features[start : start + size] for start in range(0, len(features), size)]
        for batch in (batches * (warmup // len(batches) + 1))[:warmup]:
            transcriber.transcribe(batch)
        seconds = [_timed(transcriber, batch) for _ in range(rounds) for batch in batches]
        measured = latency(seconds)
        speeds.append(
            Speed(
                batch_size=size,
                batches=len(seconds),
                p50_s=measured.p50_s,
                p95_s=measured.p95_s,
                clips_per_s=rounds * len(features) / sum(seconds),
                rtfx=rtfx(audio_s=rounds * audio_s, decode_s=sum(seconds)),
                frontend_s=frontend_s,
                peak_memory_bytes=peak_memory_bytes(),
            )
        )
        LOG.info(f"batch {size}: {len(seconds)} measurements")
    return Benchmark(transcriber.card, len(features), audio_s, speeds)


def _listed(sizes: int | Sequence[int]) -> Sequence[int]:
    return sizes if isinstance(sizes, Sequence) and not isinstance(sizes, str) else [sizes]


def clips_within(corpus: str, clips: int, window_s: float | None) -> list[Samples]:
    """Return clips that fit the window, the shortest first."""
    longest = np.inf if window_s is None else window_s
    fitting = (utterance for utterance in select(open_corpus(corpus), clips, split="test") if (utterance.duration_s or 0.0) <= longest)
    rendered = [render(utterance, _CLEAN, suite="bench", version=1, scene=Scene()).samples for utterance in fitting]
    audio = sorted((samples for samples in rendered if len(samples) <= longest * SAMPLING_RATE), key=len)
    if not audio:
        raise UserError(f"corpus: {corpus!r} has no test clip within the model's window of {window_s} s (allowed: shorter speech)")
    return audio


def _timed(transcriber: Transcriber, batch: Sequence[Samples]) -> float:
    started = time.perf_counter()
    transcriber.transcribe(batch)
    return time.perf_counter() - started
