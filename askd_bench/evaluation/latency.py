"""`bench --seconds`: the latency of one clip as a line over its length."""

import time
from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np

from askd_bench.arguments import whole_number_of
from askd_bench.errors import UserError
from askd_bench.evaluation.latency_line import LatencyLine, LengthLatency
from askd_bench.evaluation.speed import clips_within
from askd_bench.models.load import load_transcriber
from askd_bench.models.protocol import Transcriber, is_timed
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import SAMPLING_RATE, Samples


def bench_lengths(
    model: str,
    seconds: Sequence[float],
    *,
    corpus: str = "prompts",
    clips: int = 32,
    rounds: int = 3,
    warmup: int = 2,
    options: ModelOptions | None = None,
) -> LatencyLine:
    """Measure how long a clip takes by itself, from samples to text, front end included.

    Clips are clean speech joined and cut to the length. Lengths take turns, clip after clip, so that a machine's moods are shared.

    Args:
        model: see `load_transcriber`.
        seconds: two lengths or more, within the model's window.
        corpus: where speech comes from; see `open_corpus`.
        clips: how many of each length.
        rounds: how often all are decoded.
        warmup: clips of each length decoded beforehand and not counted.
        options: how to run the model.

    Raises:
        UserError: bad input, or a model without timings of its own.
    """
    for name, value, least in (("clips", clips, 1), ("rounds", rounds, 1), ("warmup", warmup, 0)):
        whole_number_of(name, value, least=least)
    transcriber = load_transcriber(model, options)
    if not is_timed(transcriber):
        raise UserError(f"model: {model!r} has no speed of its own to measure (allowed: a model that decodes)")
    lengths = _lengths(seconds, transcriber.window_s)
    speech = clips_within(corpus, clips, transcriber.window_s)
    audio = {length: [joined(speech, start, round(length * SAMPLING_RATE)) for start in range(clips)] for length in lengths}
    for length in lengths:
        for samples in audio[length][:warmup]:
            _timed(transcriber, samples)
    measured: dict[float, list[float]] = {length: [] for length in lengths}
    for number in range(rounds * clips):
        for length in lengths:
            measured[length].append(_timed(transcriber, audio[length][number % clips]))
    return line(transcriber.card, measured)


def line(card: ModelCard, measured: dict[float, list[float]]) -> LatencyLine:
    """Return the line through what was measured: length -> seconds."""
    slope, fixed = np.polyfit(
        np.repeat(list(measured), [len(taken) for taken in measured.values()]), np.concatenate([*measured.values()]), 1
    )
    lengths = []
    for length, taken in measured.items():
        p50, p95, p99 = np.quantile(taken, (0.5, 0.95, 0.99)).tolist()
        lengths.append(LengthLatency(seconds=length, measurements=len(taken), p50_s=p50, p95_s=p95, p99_s=p99))
    return LatencyLine(card=card, fixed_s=float(fixed), per_second=float(slope), lengths=lengths)


def joined(speech: Sequence[Samples], start: int, num_samples: int) -> Samples:
    """Return so many samples of clips one after another, from the one numbered `start` on, over and over."""
    pieces, total = [], 0
    for clip in islice(cycle(speech), start % len(speech), None):
        pieces.append(clip)
        total += len(clip)
        if total >= num_samples:
            break
    return np.concatenate(pieces)[:num_samples]


def parse_seconds(text: str) -> list[float]:
    """Return the lengths of an option such as "2,5,10".

    Raises:
        UserError: one of them is no number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"seconds: {text!r} is no list of numbers (allowed: two or more lengths, e.g. 2,5,10,20,30)") from None


def _lengths(seconds: Sequence[float], window_s: float | None) -> list[float]:
    longest = np.inf if window_s is None else window_s
    lengths = sorted(set(seconds))
    wrong = next((one for one in lengths if not 1 / SAMPLING_RATE <= one <= longest), None)
    if wrong is not None:
        raise UserError(f"seconds: {wrong:g} is out of range (allowed: above 0, and within the model's window of {longest:g} s)")
    if len(lengths) < 2:
        raise UserError(f"seconds: {', '.join(f'{one:g}' for one in lengths)} is no line (allowed: two or more different lengths)")
    return lengths


def _timed(transcriber: Transcriber, samples: Samples) -> float:
    started = time.perf_counter()
    transcriber.transcribe([transcriber.frontend(samples)])
    return time.perf_counter() - started
