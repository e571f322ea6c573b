"""`transcripts:FILE.jsonl`: hypotheses made elsewhere from the audio that `askd-bench render` wrote.

Each line is a JSON object with `audio_sha256`, as in `render`'s manifest, and `hypothesis`, or else `pred_text`, which is what NeMo adds to
a manifest; optionally `words`, `word_tokens` and `token_logprobs` as in `elsewhere.read_transcription`. Other keys are left alone, so that
a manifest with hypotheses added will do, and so will the rows of a result. Lines whose `audio_sha256` is null (audio that could not be
rendered) are passed over; where the hypothesis is null there is none.

A clip is looked up by the hash of the very samples that a model would get: a transcript of other audio is never taken for one of this.
There are no timings. `weights_sha256` is the SHA-256 of the file.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from askd_bench.audio import audio_sha256, to_int16
from askd_bench.errors import UserError
from askd_bench.models.external.answers import OPTIONS, UNSTATED, read_transcription, safe_name
from askd_bench.models.protocol import Features, RawAudio
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Failure, Transcription

_KEYS = ("hypothesis", "pred_text")
_NONE = Failure("transcripts: the hypothesis is null")


def load(model: str, options: ModelOptions) -> "TranscriptsTranscriber":
    """Read a file of transcripts.

    Raises:
        UserError: the file is missing or empty; a line is no JSON object, lacks a key, or holds something unusable; two lines differ
            about the same audio.
    """
    options.must_be_default(*OPTIONS, model="transcripts:, which are there already")
    path = Path(model.removeprefix("transcripts:")).expanduser()
    if not path.is_file():
        raise UserError(f"model: {model!r}: {str(path)!r} is not a file (allowed: transcripts:FILE.jsonl)")
    known, digest = _read(path)
    card = ModelCard(
        id=safe_name(path.stem),
        source=model,
        architecture="transcripts",
        parameters=None,
        weights_bytes=None,
        macs_per_second=None,
        weights_sha256=digest,
        decoding={"weights": "unknown: weights_sha256 is of the file of transcripts"},
        dtype=UNSTATED,
        device="elsewhere",
        threads=0,
    )
    return TranscriptsTranscriber(known, card, path.name)


class TranscriptsTranscriber:
    """Looks hypotheses up by the hash of the audio; see the module."""

    window_s: float | None = None
    timed = False

    def __init__(self, known: dict[str, Transcription | Failure], card: ModelCard, file: str) -> None:
        self.card = card
        self.frontend = RawAudio()
        self._known, self._file, self._found = known, file, False

    def transcribe(self, features: Sequence[Features]) -> list[Transcription | Failure]:
        """Return what the file has of each clip; see `Transcriber`.

        Raises:
            UserError: it has nothing of the first batch.
        """
        missing = Failure(f"transcripts: {self._file} has none of this audio (was this condition rendered?)")
        found = [self._known.get(audio_sha256(to_int16(samples)), missing) for samples in features]
        self._found = self._found or any(one is not missing for one in found)
        if not self._found:
            raise UserError(
                f"model: {self.card.source!r} has transcripts of {len(self._known)} clips and none of the first {len(found)} of this run: "
                "they are of other audio (allowed: what `render` of the same suite, version, corpus and conditions writes)"
            )
        return found


def _read(path: Path) -> tuple[dict[str, Transcription | Failure], str]:
    """Return the transcriptions by hash of their audio, and the file's own hash."""
    known: dict[str, Transcription | Failure] = {}
    digest = hashlib.sha256()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            digest.update(line)
            if not line.strip():
                continue
            try:
                entry = _entry(line)
                if entry is not None and known.setdefault(*entry) != entry[1]:
                    raise ValueError("differs from an earlier line about the same audio (allowed: one hypothesis for each)")
            except ValueError as error:
                raise UserError(f"model: {path}, line {number}: {error}") from None
    if not known:
        raise UserError(f"model: {path} holds no transcripts (allowed: JSON lines with audio_sha256 and hypothesis)")
    return known, digest.hexdigest()


def _entry(line: bytes) -> tuple[str, Transcription | Failure] | None:
    """Return the hash and the transcription of a line, None where there was no audio to transcribe.

    Raises:
        ValueError: the line is not as it must be.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    if "audio_sha256" not in row:
        raise ValueError("audio_sha256 is missing (allowed: the manifest of `askd-bench render`, which has it, with hypotheses added)")
    sha256 = row["audio_sha256"]
    if sha256 is None:
        return None
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"audio_sha256 is {sha256!r} (allowed: 64 hexadecimal digits, as in the manifest of `askd-bench render`)")
    key = next((key for key in _KEYS if key in row), None)
    if key is None:
        raise ValueError(f"has no hypothesis (allowed: a key {' or '.join(_KEYS)})")
    return sha256, _NONE if row[key] is None else read_transcription(row[key], row)
