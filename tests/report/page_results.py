"""Result directories of further models for tests of the page, made from packaged rows by fixed rules: no model is run."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.page.charts import slug
from askd_bench.results import Result
from askd_bench.rows import ROWS_FILE, row_to_json
from askd_bench.signature import SIGNATURE_FILE

TEACHER = "whisper-tiny.en"
REAL = REFERENCE_RESULTS_DIR / TEACHER / "noisy-v1"
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><b>bold</b>", "a&amp;b{{ 7*7 }}")
_COMMON = ("the", "a", "you", "it", "is", "what", "so", "well", "we", "to")

RowChange = Callable[[dict[str, Any]], dict[str, Any] | None]
"""A row as JSON in, the changed row out; None drops it."""


def some_rows(utterances: int, conditions: tuple[str, ...] | None = None) -> RowChange:
    """Keep the rows of the first utterances by hash, under some conditions."""

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        kept = _share(row["utterance"]) < utterances / 24 and (conditions is None or row["condition"] in conditions)
        return row if kept else None

    return change


def student(seed: str, *, error_rate: float, sharpened: float = 1.0, speed: float | None = None) -> RowChange:
    """Mishear a share of the words, raise all confidences to a power, and decode at `speed` seconds of audio a second."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        words = []
        for place, (text, confidence) in enumerate(row["words"]):
            share = _share(seed, row["condition"], row["utterance"], str(place))
            if share < error_rate / 3:
                continue
            other = _COMMON[int(share * 1e6) % len(_COMMON)] if share < error_rate else text
            words.append([other, round(confidence**sharpened, 5)])
        row |= {"words": words, "hypothesis": " ".join(text for text, _ in words)}
        row |= {"word_tokens": [], "token_logprobs": [], "token_entropies": [], "tempered_logprobs": {}}
        return row | {"decode_s": None if speed is None else row["duration_s"] / speed}

    return change


def hostile(row: dict[str, Any]) -> dict[str, Any]:
    """Write markup into hypothesis, reference, speaker and group."""
    texts = [*HOSTILE, row["utterance"]]
    words = [[text, confidence] for text, confidence in zip(texts, (0.95, 0.6, 0.3, 0.8, 0.9), strict=True)]
    row |= {
        "words": words,
        "hypothesis": " ".join(texts),
        "reference": f"said {HOSTILE[1]} {HOSTILE[3]}",
        "speaker": HOSTILE[0],
        "group": HOSTILE[1],
    }
    return row | {"word_tokens": [], "token_logprobs": [], "token_entropies": [], "tempered_logprobs": {}}


def write_result(
    folder: Path,
    model: str,
    *changes: RowChange,
    source: Path = REAL / "dialogue",
    about: Mapping[str, Any] | None = None,
    signed: Mapping[str, Any] | None = None,
) -> Path:
    """Write a result directory of `model` from the rows of another; `about` goes into the signature's model, `signed` into its top."""
    path = folder / slug(model) / source.name
    path.mkdir(parents=True)
    signature = json.loads((source / SIGNATURE_FILE).read_text(encoding="utf-8"))
    lines = []
    for packaged in Result.open(source).rows():
        row: dict[str, Any] | None = json.loads(row_to_json(packaged))
        for change in changes:
            row = None if row is None else change(row)
        if row is not None:
            lines.append(json.dumps(row))
    heard = {json.loads(line)["condition"] for line in lines}
    signature["conditions"] = {name: one for name, one in signature["conditions"].items() if name in heard}
    signature["model"] |= {"id": model, "source": model, **(about or {})}
    signature |= signed or {}
    (path / SIGNATURE_FILE).write_text(json.dumps(signature), encoding="utf-8")
    (path / ROWS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    Result.open(path).write_summary()
    return path


def _share(*parts: str) -> float:
    """Return a number in [0, 1) that hangs on the parts alone."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:6], "big") / 2**48
