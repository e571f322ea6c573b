"""Writes `tests/golden/audio.jsonl`: the hash of one clip under every condition of every suite. Run it when a suite gets a new version.

Bit-exactness is what the benchmark promises, so a hash that changes without a new suite version is a defect, not a reason to run this.
"""

import json
from pathlib import Path

from askd_bench.evaluation.inputs import resolve_inputs
from askd_bench.evaluation.rendered_audio import rendered_rows
from askd_bench.options import SpeechOptions
from askd_bench.paths import NOISE_DIR
from askd_bench.suites import bundled_suites

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "audio.jsonl"
CORPUS_OF = {"silence": "silence"}
DEFAULT_CORPUS = "books"


def main() -> None:
    """Render one clip under every condition and write the hashes."""
    rows = [row for suite in bundled_suites() for row in golden_rows(suite)]
    GOLDEN.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{GOLDEN.name}: {len(rows)} conditions")


def golden_rows(suite: str) -> list[dict[str, object]]:
    """Return one row for each condition of a suite."""
    noise_dir = NOISE_DIR if suite == "own-noise" else None
    inputs = resolve_inputs(suite, SpeechOptions(corpus=CORPUS_OF.get(suite, DEFAULT_CORPUS), full=True, limit=1, noise_dir=noise_dir))
    kept = ("suite", "version", "source", "condition", "utterance", "audio_sha256", "error")
    return [{key: row[key] for key in kept} for row, _ in rendered_rows(inputs, workers=2)]


if __name__ == "__main__":
    main()
