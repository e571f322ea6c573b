"""Rows of a small run, and what stores them."""

from dataclasses import replace
from pathlib import Path

from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.row_store import RowStore
from askd_bench.rows import ROWS_FILE, row_to_json
from askd_bench.signature import ConditionAxis, Signature
from askd_bench.types import Row

SIGNATURE = Signature.read(REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "noisy-v1" / "prompts").model_copy(
    update={"planned_rows": None, "conditions": {"clean": ConditionAxis(family=None, severity=None)}}
)


def numbered(condition: str, count: int) -> list[Row]:
    return [
        Row(condition=condition, utterance=f"é{i}", reference="東京 café", hypothesis="“naïve” 😀" * i, duration_s=1.0 + i, decode_s=0.5)
        for i in range(count)
    ]


BATCHES = [numbered("clean", 4)[:3], numbered("clean", 4)[3:], numbered("noise", 5)[:3], numbered("noise", 5)[3:]]
KEYS = [[(row.condition, row.utterance) for row in batch] for batch in BATCHES]


def store_all(path: Path) -> bytes:
    store = RowStore(path, SIGNATURE)
    store.prepare()
    with store:
        for batch in BATCHES[store.keep_whole_batches(KEYS) :]:
            store.append(batch)
    return (path / ROWS_FILE).read_bytes()


WHOLE_TIMELESS = "".join(row_to_json(replace(row, decode_s=None)) + "\n" for batch in BATCHES for row in batch).encode()
