"""What `askd-bench bench` shows."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from askd_bench.errors import UserError
from askd_bench.evaluation.latency_line import LatencyLine
from askd_bench.evaluation.timings import Benchmark
from askd_bench.files import cannot_be, write_together
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


def bench_json(measured: Sequence[Benchmark | LatencyLine]) -> str:
    """Return everything that was measured, as JSON: an object of one model, an array of several."""
    several = [asdict(one) for one in measured]
    return json.dumps(several[0] if len(several) == 1 else several, indent=1, default=ModelCard.model_dump)


def write_benches(measured: Sequence[Benchmark | LatencyLine], folder: Path) -> None:
    """Write what was measured of each model to `folder/MODEL.json`, where `leaderboard` reads it if the folder is `RESULTS/speed`.

    Raises:
        UserError: the folder cannot be written, or two models have one name.
    """
    names = Counter(one.card.id for one in measured)
    doubled = [name for name, count in names.items() if count > 1]
    if doubled:
        raise UserError(f"output: two models are called {doubled[0]!r} (allowed: models of different names)")
    with cannot_be("written", folder, argument="output"):
        folder.mkdir(parents=True, exist_ok=True)
    write_together({folder / f"{one.card.id}.json": f"{bench_json([one])}\n".encode() for one in measured})


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
