"""Runs of the stub over a small corpus, and their rows and summaries without what differs from run to run."""

import json
from pathlib import Path
from typing import Any

from askd_bench.evaluation.run import CorpusResult, run

CONDITIONS = ["white-0dB", "babble-0dB", "music-0dB"]
BATCH = 4


def run_stub(corpus: Path, output: Path, **options: Any) -> CorpusResult:
    options = {"conditions": CONDITIONS, "workers": 0, "batch_size": BATCH, **options}
    [result] = run("noisy", "stub", corpus=[str(corpus)], output=output, **options)
    return result


def timeless(rows: Path) -> list[dict[str, Any]]:
    """The rows but for their timings, which must be there as a key."""
    records = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    for record in records:
        del record["decode_s"]
    return records


def without_speed(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary but for what was measured about the process: speed and memory."""
    copy = json.loads(json.dumps(summary))
    del copy["peak_memory_bytes"]
    for table in (copy["pooled"], *copy["conditions"].values()):
        del table["metrics"]["rtfx"]
    return copy
