"""What `askd-bench bench` shows."""

import json
from dataclasses import asdict

from askd_bench.evaluation.latency_line import LatencyLine
from askd_bench.evaluation.timings import Benchmark
from askd_bench.metrics.catalogue import METRICS
from askd_bench.report.views import LATENCY, SPEED
from askd_bench.signature import ModelCard
from askd_bench.tables.format import column, number, record_cell
from askd_bench.tables.model import Cell, Column, Table
from askd_bench.tables.terminal import TerminalTable, terminal_table

_QUIET = "Measure on a machine that does nothing else."


def bench_table(benchmark: Benchmark) -> TerminalTable:
    """Return speed by batch size, with the circumstances without which it means nothing."""
    card = benchmark.card
    table = Table(
        columns=tuple(column(METRICS[name]) for name in SPEED),
        rows=tuple(tuple(record_cell(METRICS[name], asdict(speed)) for name in SPEED) for speed in benchmark.speeds),
        title=f"{card.id} ({card.dtype}, {card.device}, {card.threads} threads), {benchmark.clips} clips, {benchmark.audio_s:.0f} s",
        caption="p50, p95: seconds of a batch from features to text, reading and featurising left out (front end: s a clip, one core). "
        f"RTFx: seconds of audio per second. {_QUIET}",
    )
    return terminal_table(table)


def bench_json(benchmark: Benchmark | LatencyLine) -> str:
    """Return everything that was measured, as JSON."""
    return json.dumps(asdict(benchmark), indent=1, default=ModelCard.model_dump)


def latency_table(line: LatencyLine) -> TerminalTable:
    """Return the latency of a clip by its length, with the line in the caption."""
    card = line.card
    context = card.decoding.get("audio_context")
    each = number(line.per_second, digits=4)
    table = Table(
        columns=(Column(label="seconds"), *(column(METRICS[name]) for name in LATENCY)),
        rows=tuple((Cell(text=f"{one.seconds:g}"), *(record_cell(METRICS[name], asdict(one)) for name in LATENCY)) for one in line.lengths),
        title=f"{card.id} ({card.dtype}, {card.device}, {card.threads} threads{f', audio context {context}' if context else ''})",
        caption=f"A clip of s seconds takes {number(line.fixed_s, digits=3)} + {each}·s seconds, from samples to text, at batch 1 (least "
        f"squares over all measurements). {_QUIET}",
    )
    return terminal_table(table)
