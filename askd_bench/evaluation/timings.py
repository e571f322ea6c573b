"""What `bench` measured."""

from dataclasses import dataclass

from askd_bench.signature import ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What one batch size came to.

    Attributes:
        batch_size: clips decoded together.
        batches: measurements, warm-up left out.
        p50_s, p95_s: of the time from features to text of one batch, seconds; at batch 1 that is the latency of a clip.
        clips_per_s, rtfx: clips, and seconds of audio, per second of decoding.
        frontend_s: seconds a clip for turning audio into features, on one core; a run does that in other processes.
        peak_memory_bytes: of the process until then (batch sizes go up, so that each is the peak of its own).
    """

    batch_size: int
    batches: int
    p50_s: float
    p95_s: float
    clips_per_s: float
    rtfx: float | None
    frontend_s: float
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The model, the audio it was measured on, and its speed at each batch size."""

    card: ModelCard
    clips: int
    audio_s: float
    speeds: list[Speed]
