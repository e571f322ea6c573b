"""How fast: pure functions of rows and of measured seconds; the measuring itself is the engine's.

Conventions:
    - RTFx = seconds of audio per second of decoding, summed over utterances before dividing (higher is faster).
    - A run that was resumed, given transcripts or limited in its requests has utterances without timing (`decode_s` None), and so have rows
      whose timings were taken out, as of a busy machine. Then there is no RTFx at all: the rest is no fair sample (first batches carry the
      warm-up).
    - Latency is only meant at batch 1: percentiles over utterances with linear interpolation (numpy's default).
    - A figure is nothing without its circumstances: device, dtype, threads and batch are to be shown beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Array, Sums, ratio
from askd_bench.metrics.metric import Metric, Quantity, Statistics
from askd_bench.metrics.scoring import Scored

_UNTIMED = "no timings: a resumed run, given transcripts, limited requests, or timings taken out on purpose"
_PARTLY_TIMED = "timings are missing for part of the utterances: a resumed run"


def statistics(scored: Scored) -> Statistics:
    """Return what the metrics of this module add up."""
    done = ~scored.failed
    timed = done & np.isfinite(scored.decode_s)
    return {
        "done": done,
        "audio_s": scored.duration_s * done,
        "decode_s": np.where(timed, scored.decode_s, 0.0),
        "timed": timed,
        "all_timed": timed & (np.sum(timed) == np.sum(done)),
    }


def _rtfx(sums: Sums) -> Array:
    return ratio(sums["audio_s"], sums["decode_s"])


METRICS = (
    Metric(
        name="rtfx",
        label="RTFx",
        meaning="seconds of audio per second of decoding, at the run's batch",
        unit="s/s",
        better="higher",
        count="timed",
        formula=_rtfx,
        needs=(
            ("done", 1, "no utterance has a hypothesis"),
            ("timed", 1, _UNTIMED),
            ("all_timed", 1, _PARTLY_TIMED),
            ("decode_s", 1e-12, "decoding took no measurable time"),
        ),
    ),
)


QUANTITIES = (
    Quantity(
        name="rtfx_alone",
        label="RTFx at 1",
        meaning="seconds of audio per second of decoding at batch 1, measured apart from the rows, see Speed; never ranked by",
        unit="s/s",
        better="higher",
    ),
    Quantity(
        name="rtfx_measured",
        label="RTFx",
        meaning="seconds of audio per second from features to text, at that batch, measured apart from the rows",
        unit="s/s",
        better="higher",
        key="rtfx",
    ),
    Quantity(
        name="p50_s",
        label="p50, s",
        long_label="p50 of a batch, s",
        meaning="median seconds of a batch, from features to text",
        unit="s",
        better="lower",
        digits=3,
    ),
    Quantity(
        name="p95_s",
        label="p95, s",
        meaning="95th percentile of the seconds of a batch, from features to text",
        unit="s",
        better="lower",
        digits=3,
    ),
    Quantity(name="p99_s", label="p99, s", meaning="99th percentile of the seconds of a clip", unit="s", better="lower", digits=3),
    Quantity(name="clips_per_s", label="clips / s", meaning="clips transcribed per second", unit="1/s", better="higher", digits=2),
    Quantity(
        name="frontend_s", label="front end, s", meaning="seconds of one core to make a clip's features", unit="s", better="lower", digits=3
    ),
    Quantity(
        name="times_teacher",
        label="times its teacher's",
        long_label="times the teacher's",
        meaning="RTFx over its teacher's, measured on the same clips, device and threads",
        unit="ratio",
        better="higher",
        digits=2,
    ),
    Quantity(
        name="peak_memory_bytes",
        label="peak memory, MB",
        meaning="most memory in use, checkpoint included",
        unit="bytes",
        better="lower",
        factor=1e-6,
        digits=0,
    ),
    Quantity(name="batch_size", label="batch", meaning="clips decoded together", unit="clips", digits=0),
    Quantity(name="batches", label="measured", meaning="batches that were timed", unit="batches", digits=0),
    Quantity(name="measurements", label="measured", meaning="clips of a length that were timed", unit="clips", digits=0),
    Quantity(name="clips", meaning="clips that speed was measured on", unit="clips", digits=0),
)
"""What `askd-bench bench` measures, and what follows from it."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from audio to text at batch 1: median, 95th percentile, and how many measurements."""

    p50_s: float
    p95_s: float
    n: int


def latency_at_batch_1(scored: Scored) -> dict[str, float | int | str | None]:
    """Return p50 and p95 of the utterances' decoding seconds where all were decoded alone and timed; None with the reason otherwise."""
    done = ~scored.failed
    reason = None
    if not done.any():
        reason = "no utterance has a hypothesis"
    elif (scored.batch[done] != 1).any():
        reason = "latency is meant at batch 1; run with batch size 1"
    elif not np.all(scored.decode_s[done] > 0):
        reason = _PARTLY_TIMED if np.isfinite(scored.decode_s[done]).any() else _UNTIMED
    if reason:
        return {"p50_s": None, "p95_s": None, "n": int(done.sum()), "reason": reason}
    measured = latency(scored.decode_s[done].tolist())
    return {"p50_s": round(measured.p50_s, 6), "p95_s": round(measured.p95_s, 6), "n": measured.n, "reason": None}


def latency(seconds: Sequence[float]) -> Latency:
    """Return percentiles of repeated measurements at batch 1, warm-up left out by the caller.

    >>> latency([0.1, 0.2, 0.3, 0.4, 0.5])
    Latency(p50_s=0.3, p95_s=0.48, n=5)

    Raises:
        UserError: no measurement, or one that is not a positive finite number.
    """
    values = np.asarray(seconds, np.float64)
    if not len(values) or not np.all(np.isfinite(values) & (values > 0)):
        raise UserError(f"seconds: {list(seconds)[:5]} are not positive finite measurements; at least one is needed")
    return Latency(round(float(np.quantile(values, 0.5)), 9), round(float(np.quantile(values, 0.95)), 9), len(values))


def rtfx(*, audio_s: float, decode_s: float | None) -> float | None:
    """Return seconds of audio per second of decoding, None without a valid timing.

    >>> rtfx(audio_s=60.0, decode_s=4.0)
    15.0
    """
    return audio_s / decode_s if decode_s else None


def batches(scored: Scored) -> tuple[int, int] | None:
    """Return the smallest and the largest batch that utterances were decoded in, None when there are none."""
    batch = scored.batch[~scored.failed]
    return (int(batch.min()), int(batch.max())) if len(batch) else None
