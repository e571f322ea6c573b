"""What `askd-bench bench` shows."""

import json
from dataclasses import asdict

from rich import box
from rich.table import Table

from askd_bench.evaluation.latency_line import LatencyLine
from askd_bench.evaluation.timings import Benchmark
from askd_bench.signature import ModelCard


def bench_table(benchmark: Benchmark) -> Table:
    """Return speed by batch size, with the circumstances without which it means nothing."""
    card = benchmark.card
    table = Table(
        title=f"{card.id} ({card.dtype}, {card.device}, {card.threads} threads), {benchmark.clips} clips, {benchmark.audio_s:.0f} s",
        box=box.SIMPLE_HEAVY,
        title_justify="left",
        pad_edge=False,
        caption="p50, p95: seconds of a batch from features to text, reading and featurising left out (front end: s a clip, one core). "
        "RTFx: seconds of audio per second. Measure on a machine that does nothing else.",
        caption_justify="left",
    )
    for column in ("batch", "measured", "p50 s", "p95 s", "clips / s", "RTFx", "front end s", "peak memory MB"):
        table.add_column(column, justify="right")
    for speed in benchmark.speeds:
        table.add_row(
            str(speed.batch_size),
            str(speed.batches),
            f"{speed.p50_s:.3f}",
            f"{speed.p95_s:.3f}",
            f"{speed.clips_per_s:.2f}",
            "–" if speed.rtfx is None else f"{speed.rtfx:.1f}",
            f"{speed.frontend_s:.3f}",
            "–" if speed.peak_memory_bytes is None else f"{speed.peak_memory_bytes / 1e6:.0f}",
        )
    return table


def bench_json(benchmark: Benchmark | LatencyLine) -> str:
    """Return everything that was measured, as JSON."""
    return json.dumps(asdict(benchmark), indent=1, default=ModelCard.model_dump)


def latency_table(line: LatencyLine) -> Table:
    """Return the latency of a clip by its length, with the line in the caption."""
    card = line.card
    context = card.decoding.get("audio_context")
    table = Table(
        title=f"{card.id} ({card.dtype}, {card.device}, {card.threads} threads{f', audio context {context}' if context else ''})",
        box=box.SIMPLE_HEAVY,
        title_justify="left",
        pad_edge=False,
        caption=f"A clip of s seconds takes {line.fixed_s:.3f} + {line.per_second:.4f}·s seconds, from samples to text, at batch 1 (least "
        "squares over all measurements). Measure on a machine that does nothing else.",
        caption_justify="left",
    )
    for column in ("seconds", "measured", "p50 s", "p95 s", "p99 s"):
        table.add_column(column, justify="right")
    for one in line.lengths:
        table.add_row(f"{one.seconds:g}", str(one.measurements), f"{one.p50_s:.3f}", f"{one.p95_s:.3f}", f"{one.p99_s:.3f}")
    return table
