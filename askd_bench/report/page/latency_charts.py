"""Latency over the length of a clip, as `askd-bench bench --seconds ... --json` measured it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from askd_bench.files import Number, read_json
from askd_bench.report.page.charts import Chart, Point, Series

_Positive = Annotated[Number, Field(gt=0)]


class _Card(BaseModel):
    id: str
    dtype: str
    device: str
    threads: int
    decoding: dict[str, str | int | float | bool | None]


class _Length(BaseModel):
    seconds: _Positive
    measurements: int = Field(ge=1)
    p50_s: _Positive
    p95_s: _Positive
    p99_s: _Positive


class Latency(BaseModel):
    """A file; see `askd_bench.evaluation.latency_line.LatencyLine`."""

    card: _Card
    fixed_s: Number
    per_second: Number
    lengths: tuple[_Length, ...] = Field(min_length=2)

    @property
    def label(self) -> str:
        """The model, and how much of the encoder it runs on."""
        return f"{self.card.id}, {self.card.decoding.get('audio_context') or 'full context'}, {self.card.dtype}"


def read_latencies(paths: Sequence[Path]) -> list[Latency]:
    """Return what the files hold.

    Raises:
        UserError: one cannot be read, or is no such measurement.
    """
    return [read_json(path, Latency, argument="latency") for path in paths]


def latency_charts(latencies: Sequence[Latency]) -> list[Chart]:
    """Return one figure of all measurements; none where there is none."""
    if not latencies:
        return []
    lines = "; ".join(f"{one.label}: {one.fixed_s:.3f} + {one.per_second:.4f}·s" for one in latencies)
    machines = dict.fromkeys(f"{one.card.device}, {one.card.threads} threads" for one in latencies)
    return [
        Chart(
            name="latency-over-length",
            title="Latency over the length of a clip",
            caption=f"Batch 1, from samples to text, on {' and '.join(machines)}. Medians; ticks at the 95th percentile. Seconds "
            f"that a clip of s seconds takes, by least squares: {lines}.",
            kind="line",
            x_label="clip, seconds",
            y_label="p50, seconds",
            series=tuple(
                Series(
                    label=one.label,
                    style=number,
                    points=tuple(Point(x=at.seconds, y=at.p50_s, n=at.measurements, mark=at.p95_s) for at in one.lengths),
                )
                for number, one in enumerate(latencies)
            ),
            value="p50, s",
            mark="p95, s",
        )
    ]
