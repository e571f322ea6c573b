"""`bench`: latency and throughput of a model, measured properly, without scoring."""

import time
from collections.abc import Sequence
from itertools import cycle, islice

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
from askd_bench.models.protocol import Features, Transcriber, is_timed
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
    """Measure how fast a model is; the command `askd-bench bench`. See `bench_in_turns`, of which this is the case of one model."""
    [measured] = bench_in_turns([model], corpus=corpus, clips=clips, batch_sizes=batch_sizes, rounds=rounds, warmup=warmup, options=options)
    return measured


def bench_in_turns(
    models: Sequence[str],
    *,
    corpus: str = "prompts",
    clips: int = 32,
    batch_sizes: int | Sequence[int] = (1, 4, 16),
    rounds: int = 3,
    warmup: int = 2,
    options: ModelOptions | None = None,
) -> list[Benchmark]:
    """Measure how fast models are, batch by batch in turns, so that their ratios hold on a machine whose speed drifts.

    Every batch size decodes the same clips, sorted by length, as a run does. First `warmup` batches are decoded and forgotten, then all
    clips `rounds` times. On a GPU the clock waits for the device, because a transcription is on the host when it is done. The peak of
    memory is the process's, so that several models have none.

    Args:
        models: see `load_transcriber`; one or more, all of them held in memory.
        corpus: a spec for `open_corpus`; clips longer than the shortest window of the models are left out.
        clips: how many, a seeded sample.
        batch_sizes: from the smallest up.
        rounds: how often all clips are decoded.
        warmup: batches decoded beforehand.
        options: how to run the models.

    Returns:
        one a model, in their order.

    Raises:
        UserError: bad input, or a model without timings of its own.
    """
    for name, value, least in (("clips", clips, 1), ("rounds", rounds, 1), ("warmup", warmup, 0)):
        whole_number_of(name, value, least=least)
    sizes = sorted({whole_number_of("batch_sizes", size, least=1) for size in _listed(batch_sizes)})
    if not sizes:
        raise UserError("batch_sizes: none is given (allowed: one or more)")
    transcribers = [_load(model, options) for model in models]
    audio = clips_within(corpus, clips, min((one.window_s for one in transcribers if one.window_s is not None), default=None))
    runners = [_Runner(transcriber, audio) for transcriber in transcribers]
    speeds: list[list[Speed]] = [[] for _ in runners]
    for size in sizes:
        seconds = _seconds_in_turns(runners, size, rounds, warmup)
        for runner, own, found in zip(runners, seconds, speeds, strict=True):
            found.append(runner.speed(size, rounds, own, peak_memory_bytes() if len(runners) == 1 else None))
        LOG.info(f"batch {size}: {len(seconds[0])} measurements")
    return [Benchmark(runner.transcriber.card, len(audio), runner.audio_s, found) for runner, found in zip(runners, speeds, strict=True)]


class _Runner:
    """A model and the features of the clips that it decodes."""

    def __init__(self, transcriber: Transcriber, audio: Sequence[Samples]) -> None:
        self.transcriber = transcriber
        self.audio_s = sum(len(samples) for samples in audio) / SAMPLING_RATE
        started = time.perf_counter()
        self.features = [transcriber.frontend(samples) for samples in audio]
        self.frontend_s = (time.perf_counter() - started) / len(audio)

    def batches(self, size: int) -> list[Sequence[Features]]:
        return [self.features[start : start + size] for start in range(0, len(self.features), size)]

    def timed(self, batch: Sequence[Features]) -> float:
        started = time.perf_counter()
        self.transcriber.transcribe(batch)
        return time.perf_counter() - started

    def speed(self, size: int, rounds: int, seconds: Sequence[float], peak_memory: int | None) -> Speed:
        measured = latency(seconds)
        return Speed(
            batch_size=size,
            batches=len(seconds),
            p50_s=measured.p50_s,
            p95_s=measured.p95_s,
            clips_per_s=rounds * len(self.features) / sum(seconds),
            rtfx=rtfx(audio_s=rounds * self.audio_s, decode_s=sum(seconds)),
            frontend_s=self.frontend_s,
            peak_memory_bytes=peak_memory,
        )


def _seconds_in_turns(runners: Sequence[_Runner], size: int, rounds: int, warmup: int) -> list[list[float]]:
    """Return the seconds of every batch, a list a model."""
    batches = [runner.batches(size) for runner in runners]
    for runner, its_batches in zip(runners, batches, strict=True):
        for batch in islice(cycle(its_batches), warmup):
            runner.timed(batch)
    seconds: list[list[float]] = [[] for _ in runners]
    for turn in list(zip(*batches, strict=True)) * rounds:
        for runner, batch, own in zip(runners, turn, seconds, strict=True):
            own.append(runner.timed(batch))
    return seconds


def _load(model: str, options: ModelOptions | None) -> Transcriber:
    transcriber = load_transcriber(model, options)
    if not is_timed(transcriber):
        raise UserError(f"model: {model!r} has no speed of its own to measure (allowed: a model that decodes)")
    return transcriber


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
