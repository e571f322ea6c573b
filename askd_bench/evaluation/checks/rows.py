"""What every row must be, whatever the model: its fields fit each other, and batches come with equal shares of time."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from askd_bench.signature import Signature
from askd_bench.types import Row

_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_MACS = {"cpu": 4e11}
"""Multiply-accumulates a second that one thread may do in float32: two 512-bit units at 6 GHz, twice over."""

_OWN_PREFIXES = ("onnx", "ctranslate2")


def is_own(signature: Signature) -> bool:
    """Whether our decoders made the rows: a checkpoint or an export, and nothing that runs outside or comes from a package."""
    prefix, colon, _ = signature.model.source.partition(":")
    ours = "For" in signature.model.architecture and "weights" not in signature.model.decoding  # as transformers names its classes
    return ours and (not colon or prefix in _OWN_PREFIXES)


def row_problem(row: Row) -> str | None:
    """Say what is wrong with a row by itself; None where nothing is."""
    if (row.hypothesis is None) != (row.error is not None):
        return "there must be either a hypothesis or an error"
    if not math.isfinite(row.duration_s) or row.duration_s < 0 or (row.decode_s is not None and row.decode_s < 0):
        return "a duration is no length of time"
    if row.audio_sha256 is not None and not _SHA256.fullmatch(row.audio_sha256):
        return "audio_sha256 is no hash"
    if row.hypothesis is None:
        return _failure_problem(row)
    if row.audio_sha256 is None:
        return "audio_sha256 is no hash"
    return _text_problem(row) or _value_problem(row)


def _failure_problem(row: Row) -> str | None:
    if row.words or row.word_tokens or row.token_logprobs or row.token_entropies or row.tempered_logprobs:
        return "a failed row has words or token values"
    return "a failed row has a timing or was decoded with others" if row.decode_s is not None or row.batch else None


def _text_problem(row: Row) -> str | None:
    if row.words and [part for word in row.words for part in word.text.split()] != (row.hypothesis or "").split():
        return "the words are not the hypothesis"
    if not (row.hypothesis or "").strip() and row.token_entropies:  # a server may give its end of text a log-probability
        return "there are token values without a text"
    if row.word_tokens and len(row.word_tokens) != len(row.words):
        return "word_tokens has another length than words"
    if row.word_tokens and len(row.token_logprobs) != sum(row.word_tokens):
        return "token values are not as many as word_tokens says"
    return None


def _value_problem(row: Row) -> str | None:
    if any(len(values) != len(row.token_logprobs) for values in (row.token_entropies, *row.tempered_logprobs.values()) if values):
        return "token values are not as many as there are tokens"  # some runtimes give log-probabilities alone
    if any(x > 0 for values in (row.token_logprobs, *row.tempered_logprobs.values()) for x in values):
        return "a log-probability is above 0"
    shares = [*row.token_entropies, *(word.confidence for word in row.words if word.confidence is not None)]
    return "a confidence or entropy is outside [0, 1]" if any(not 0 <= x <= 1 for x in shares) else None


def run_problems(signature: Signature, rows: Sequence[Row]) -> Iterator[str]:
    """Yield what no run leaves behind, of all rows together: batches larger than asked for, shares of time that differ within a batch, more
    speed than the device has, clips that our own decoders gave up.
    """
    wrong = [row for row in rows if row.hypothesis is not None and not 1 <= row.batch <= signature.batch_size]
    yield from (f"{row.condition}, {row.utterance}: batch {row.batch} where the signature says {signature.batch_size}" for row in wrong)
    if is_own(signature):
        yield from _share_problems(rows)
        yield from (
            f"{row.condition}, {row.utterance}: failed with audio at hand, where our decoders end the run"
            for row in rows
            if row.hypothesis is None and row.audio_sha256 is not None
        )
        yield from _too_fast(signature, rows)


def _share_problems(rows: Sequence[Row]) -> Iterator[str]:
    """Of our own decoders alone: a server that refuses a clip leaves its batch with fewer rows."""
    shares = Counter((row.condition, row.batch, row.decode_s) for row in rows if row.decode_s is not None and row.batch > 0)
    yield from (
        f"{condition}: {count} rows have decode_s {decode_s}, the share of {batch}"
        for (condition, batch, decode_s), count in shares.items()
        if count % batch
    )


def _too_fast(signature: Signature, rows: Sequence[Row]) -> Iterator[str]:
    card = signature.model
    most = _MOST_MACS.get(card.device)
    timed = [row for row in rows if row.decode_s is not None and row.hypothesis is not None]
    audio_s, decode_s = sum(row.duration_s for row in timed), sum(row.decode_s or 0.0 for row in timed)
    if most is None or card.dtype != "float32" or not card.macs_per_second or not timed:
        return
    if audio_s * card.macs_per_second > decode_s * most * max(1, card.threads):
        rtfx = audio_s / decode_s if decode_s else math.inf
        yield f"RTFx {rtfx:.0f} is more than {card.threads} threads of any processor can do with this model"
