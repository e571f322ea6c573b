"""What `bench --seconds` measured."""

from dataclasses import dataclass

from askd_bench.signature import ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthLatency:
    """Clips of one length, in seconds: how many measurements, and their percentiles from samples to text, in seconds."""

    seconds: float
    measurements: int
    p50_s: float
    p95_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLine:
    """Latency at batch 1 over the length of clips.

    Attributes:
        card: of the model.
        fixed_s: seconds that a clip takes however short it is.
        per_second: seconds that each second of audio adds; both by least squares over all measurements.
        lengths: from the shortest up.
    """

    card: ModelCard
    fixed_s: float
    per_second: float
    lengths: list[LengthLatency]
