"""Teacher transcripts as training labels: sequence-level distillation, the way between models of different vocabularies."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from askd_bench.audio import read_utterance
from askd_bench.corpora import open_corpus
from askd_bench.errors import AudioError, UserError
from askd_bench.files import Document, Number, Text, parse_json
from askd_bench.metrics.alignment import count_errors
from askd_bench.models.protocol import Transcriber
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import SAMPLING_RATE, Failure, Split, Transcription, Utterance
from askd_trainers.files import read_json, write_json, write_manifest

LABELS = "pseudo_labels.jsonl"
"""Every transcript, with its confidences and its WER against the reference: what the filter decides on. Failures are rows with `error`."""

SETTINGS = "settings.json"
"""What was transcribed, and by whom: the rows of another teacher or corpus are not taken for these."""


UNREADABLE = "unreadable audio"
FAILED = "teacher failed"


class _Label(Document):
    """A line of `LABELS`: a transcript, or the reason why there is none."""

    id: Text
    error: Text | None = None
    reason: Text | None = None
    audio_filepath: Text = ""
    text: Text = ""
    reference: Text = ""
    duration: Number = 0.0
    speaker: Text | None = None
    group: Text | None = None
    split: Split = "test"
    confidence: Number | None = None
    wer: Number | None = None


@dataclass(frozen=True)
class Labelled:
    """How many utterances were labelled, kept, and left out for which reason."""

    total: int
    kept: int
    left_out: dict[str, int]


def pseudo_label(
    teacher: str,
    corpus: str,
    out: Path,
    *,
    wer_threshold: float = 0.1,
    batch_size: int = 16,
    keep_uppercase: bool = False,
    language: str = "en",
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Labelled:
    """Transcribe a corpus greedily and keep what agrees with its references.

    A clip is kept when the WER of the transcript against the reference, both normalised, is at most the threshold (Distil-Whisper, Gandhi
    et al. 2023, section 3.2: λ = 10 %). References in capitals only are left out, as there, unless asked to stay: their corpus has no case.

    An interrupted run continues where it stopped; the transcripts are kept, so that another threshold costs nothing.

    Raises:
        UserError: threshold or batch size out of range, teacher or corpus not found, or `out` not writable or of another teacher or corpus.
    """
    if not 0 <= wer_threshold <= 1:
        raise UserError(f"wer_threshold: {wer_threshold:g} is out of range (allowed: 0 to 1)")
    if batch_size < 1:
        raise UserError(f"batch_size: {batch_size} is out of range (allowed: 1 or more)")
    utterances = open_corpus(corpus)
    settings = {"teacher": teacher, "corpus": corpus, "language": language}
    try:
        _refuse_other(out / SETTINGS, settings)
        done = _read_rows(out / LABELS)
        pending = (u for u in utterances if u.id not in done)
        first = next(pending, None)
        if first is not None:
            # Loaded here, and only where there is something to do: a model takes seconds.
            from askd_bench.models.load import load_transcriber

            transcriber = load_transcriber(teacher, language=language, threads=threads)
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / SETTINGS, settings, argument="out")
            with (out / LABELS).open("a", encoding="utf-8") as file:
                for batch in batched(itertools.chain([first], pending), batch_size):
                    for row in _transcribe(transcriber, batch, out):
                        done[row["id"]] = row
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()
                    if progress is not None:
                        progress(len(done))
        return _write_manifest(out, list(done.values()), wer_threshold, keep_uppercase)
    except OSError as error:
        raise UserError(f"out: {out} cannot be written: {error.strerror or error}") from error


def _transcribe(transcriber: Transcriber, batch: Sequence[Utterance], out: Path) -> Iterator[dict[str, Any]]:
    """Yield a row an utterance; one that cannot be read, or that the teacher fails on, has the reason under "error"."""
    readable: list[tuple[Utterance, Any, float]] = []
    for utterance in batch:
        try:
            samples = read_utterance(utterance)
        except AudioError as error:
            yield {"id": utterance.id, "error": str(error), "reason": UNREADABLE}
            continue
        readable.append((utterance, transcriber.frontend(samples), len(samples) / SAMPLING_RATE))
    if not readable:
        return
    results = transcriber.transcribe([features for _, features, _ in readable])
    for (utterance, _, duration), result in zip(readable, results, strict=True):
        if isinstance(result, Failure):
            yield {"id": utterance.id, "error": result.reason, "reason": FAILED}
        else:
            yield _row(utterance, duration, result, out)


def _row(utterance: Utterance, duration: float, result: Transcription, out: Path) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "audio_filepath": _audio_path(utterance, out),
        "text": result.text,
        "reference": utterance.reference,
        "duration": round(duration, 3),
        "speaker": utterance.speaker,
        "group": utterance.group,
        "split": utterance.split,
        "confidence": _mean_confidence(result),
        "wer": _error_rate(utterance.reference, result.text),
    }


def _mean_confidence(result: Transcription) -> float | None:
    known = [word.confidence for word in result.words if word.confidence is not None]
    return round(fmean(known), 5) if known else None


def _error_rate(reference: str, hypothesis: str) -> float | None:
    normalise = normaliser(DEFAULT_NORMALISER)
    rate = count_errors(reference=normalise(reference).split(), hypothesis=normalise(hypothesis).split()).error_rate
    return None if rate is None else round(rate, 5)


def _audio_path(utterance: Utterance, out: Path) -> str:
    """Return the path relative to `out`; audio that came as bytes is written there."""
    if isinstance(utterance.audio, Path):
        return Path(os.path.relpath(utterance.audio, out)).as_posix()
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in utterance.id)
    (out / "audio").mkdir(exist_ok=True)
    (out / "audio" / name).write_bytes(utterance.audio)
    return f"audio/{name}"


def _write_manifest(out: Path, rows: list[dict[str, Any]], threshold: float, keep_uppercase: bool) -> Labelled:
    left_out: dict[str, int] = {}
    kept = []
    for row in rows:
        reason = _reason(row, threshold, keep_uppercase)
        if reason is None:
            kept.append({key: value for key, value in row.items() if value is not None and key != "wer"})
        else:
            left_out[reason] = left_out.get(reason, 0) + 1
    write_manifest(out, kept)
    return Labelled(len(rows), len(kept), left_out)


def _reason(row: dict[str, Any], threshold: float, keep_uppercase: bool) -> str | None:
    """Return why a transcript is left out, or None."""
    if "error" in row:
        return str(row.get("reason", UNREADABLE))
    if not row.get("text", "").strip():
        return "empty transcript"
    if row.get("wer") is None:
        return "empty reference"
    if row.get("reference", "").isupper() and not keep_uppercase:
        return "reference in capitals"
    return f"WER above {threshold:g}" if row["wer"] > threshold else None


def _refuse_other(path: Path, settings: dict[str, str]) -> None:
    rows = path.parent / LABELS
    if not path.is_file() or not rows.is_file() or not rows.stat().st_size:
        return
    known = read_json(path, argument="out")
    changed = [f"{name} {known.get(name)!r}" for name, value in settings.items() if known.get(name) != value]
    if changed:
        raise UserError(f"out: {path.parent} holds transcripts of {', '.join(changed)}; choose another folder")


def _read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows written so far; a last line that was cut short is dropped from the file.

    Raises:
        UserError: another line is no row.
    """
    if not path.is_file():
        return {}
    rows: dict[str, dict[str, Any]] = {}
    good = 0
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            break
        try:
            row = parse_json(line, _Label, where=f"out: {path}, line {number}")
        except UserError:
            if number == len(lines):
                break
            raise
        rows[row.id] = row.model_dump(exclude_unset=True)
        good += len(line)
    with path.open("r+b") as file:
        file.truncate(good)
    return rows


def batched(utterances: Iterable[Utterance], size: int) -> Iterator[list[Utterance]]:
    """Yield lists of `size` utterances, the last perhaps shorter."""
    iterator = iter(utterances)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
