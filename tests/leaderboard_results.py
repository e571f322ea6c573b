"""Folders of results for tests of the leaderboard, made from packaged rows by fixed rules: no model is run."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE

ANCHOR = "whisper-tiny.en"
CONDITIONS = ("clean", "white-0dB", "speech-shaped-0dB")

PACKAGED = 24
"""Test utterances of each corpus in the packaged rows."""

Line = dict[str, Any]
Change = Callable[[Line], Line | None]
"""A row as JSON in, the changed row out; None drops it."""


def few(utterances: int) -> Change:
    """Keep `CONDITIONS` of about so many test utterances of each corpus."""

    def change(row: Line) -> Line | None:
        wanted = row["split"] == "test" and row["condition"] in CONDITIONS
        return row if wanted and share(row["utterance"]) < utterances / PACKAGED else None

    return change


def misheard(seed: str, rate: float) -> Change:
    """Replace a share of the words; confidences stay."""

    def change(row: Line) -> Line:
        words = [
            [text if share(seed, row["condition"], row["utterance"], str(i)) >= rate else "cabbage", sure]
            for i, (text, sure) in enumerate(row["words"])
        ]
        return row | {"words": words, "hypothesis": " ".join(text for text, _ in words)}

    return change


def timed(row: Line) -> Line:
    """Decode at twenty seconds of audio a second."""
    return row | {"decode_s": round(row["duration_s"] / 20, 5)}


def untimed(row: Line) -> Line:
    """As after an interruption."""
    return row | {"decode_s": None}


def in_suite(name: str) -> Change:
    """Give all but clean audio the hashes of another suite's."""
    return lambda row: row if row["condition"] == "clean" else row | {"audio_sha256": hashed(name, row["audio_sha256"])}


def write_result(
    root: Path, model: str, *changes: Change, suite: str = "noisy-v1", corpus: str = "prompts", compressed: bool = False, **about: Any
) -> Path:
    """Write a result directory from the packaged rows of a corpus; `about` goes into the signature's model."""
    source, path = REFERENCE_RESULTS_DIR / ANCHOR / "noisy-v1" / corpus, root / model / suite / corpus
    lines: list[Line] = []
    for row in map(json.loads, Result.open(source).lines()):
        changed: Line | None = row | {"corpus": corpus}
        for change in changes:
            changed = None if changed is None else change(changed)
        if changed is not None:
            lines.append({key: value for key, value in changed.items() if key != "corpus"})
    signature = json.loads((source / SIGNATURE_FILE).read_text(encoding="utf-8"))
    heard = {line["condition"] for line in lines}
    signature["conditions"] = {name: one for name, one in signature["conditions"].items() if name in heard}
    signature["model"] |= {"id": model, "source": model, "weights_sha256": hashed(model), **about}
    signature["suite"]["name"] = suite.rpartition("-v")[0]
    write_rows(path, signature, lines, compressed=compressed)
    return path


def write_silence(root: Path, model: str, texts: Iterable[str], **about: Any) -> Path:
    """Write a result of clips without speech, one an answer, under two conditions."""
    path = root / model / "silence-v1" / "silence"
    signature = json.loads((REFERENCE_RESULTS_DIR / ANCHOR / "noisy-v1" / "prompts" / SIGNATURE_FILE).read_text(encoding="utf-8"))
    signature["suite"] |= {"name": "silence", "baseline": "digital-silence"}
    signature["conditions"] = {name: {"family": None, "severity": None} for name in ("digital-silence", "hold")}
    signature["model"] |= {"id": model, "weights_sha256": hashed(model), **about}
    lines = [
        {
            "condition": condition,
            "utterance": f"silence-{i}",
            "reference": "",
            "hypothesis": text,
            "duration_s": 6.0,
            "words": [[word, 0.5] for word in text.split()],
            "decode_s": 0.5,
            "audio_sha256": hashed(condition, str(i)),
        }
        for condition in signature["conditions"]
        for i, text in enumerate(texts)
    ]
    write_rows(path, signature, lines)
    return path


def write_rows(path: Path, signature: dict[str, Any], lines: Iterable[Line], *, compressed: bool = False) -> None:
    path.mkdir(parents=True)
    (path / SIGNATURE_FILE).write_text(json.dumps(signature), encoding="utf-8")
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    if compressed:
        (path / f"{ROWS_FILE}.gz").write_bytes(gzip.compress(text))
    else:
        (path / ROWS_FILE).write_bytes(text)


def share(*parts: str) -> float:
    """Return a number in [0, 1) that hangs on the parts alone."""
    return int(hashed(*parts)[:12], 16) / 16**12


def hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
