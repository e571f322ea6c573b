"""From a batch of prepared utterances to the rows of each model: equal encoders run once, and a batch too large for memory is halved."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askd_bench.errors import UserError
from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.workers import Prepared, Preparer
from askd_bench.log import LOG
from askd_bench.models.memory import is_out_of_memory
from askd_bench.models.protocol import Features, SharesEncoder, Transcriber, is_timed
from askd_bench.suites import Condition
from askd_bench.types import SAMPLING_RATE, Failure, Row, Transcription

_MOST_SAID = 400
"""Characters of what a model's error says."""

_Encoded = dict[str, tuple[Any, float]]
"""Encoder key -> a batch's states, and the seconds that they took."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    """One utterance's transcription, its share of its batch's time (seconds; None where untimed), and how many were decoded together."""

    transcription: Transcription | Failure
    decode_s: float | None
    batch: int


class BatchTranscriber:
    """The models of a run, in the process that has loaded them, for one pass over a corpus.

    Models with equal `encoder_key` share one pass of the encoder over a batch. Each is charged for the whole of it, so that its timings are
    those of a run of its own.

    Args:
        models: all of them; a batch says which are to transcribe it.
        preparer: what has prepared the batches.

    Attributes:
        warm: numbers of the models that have made a first pass.
    """

    def __init__(self, models: Sequence[Transcriber], preparer: Preparer) -> None:
        self._models = models
        self._preparer = preparer
        self._largest: dict[int, int] = {}
        self.warm: set[int] = set()

    def warm_up(self, numbers: Sequence[int]) -> None:
        """Make a first forward pass of those that made none, which allocates and compiles and is no measure of speed."""
        for number in numbers:
            if number not in self.warm and is_timed(self._models[number]):
                silence = np.zeros(SAMPLING_RATE, np.float32)
                frontend = self._preparer.frontends[self._preparer.frontend_of[number]]
                self._models[number].transcribe([frontend(silence)])
                self.warm.add(number)

    def rows(self, batch: Batch, prepared: Sequence[Prepared]) -> list[list[Row]]:
        """Return the rows of each of `batch.models`; an utterance that could not be prepared has one that says why."""
        usable = [item.features for item in prepared if item.features is not None]
        encoded: _Encoded = {}
        rows = []
        for number in batch.models:
            own = self._preparer.frontend_of[number]
            decoded = iter(self._decode(number, [features[own] for features in usable], encoded))
            rows.append([_row(batch.condition, item, next(decoded) if item.features is not None else None) for item in prepared])
        return rows

    def _decode(self, number: int, features: Sequence[Features], encoded: _Encoded) -> list[_Decoded]:
        """Decode a batch, in pieces no larger than what memory has been found to hold."""
        model, decoded = self._models[number], list[_Decoded]()
        while len(decoded) < len(features):
            piece = features[len(decoded) : len(decoded) + self._largest.get(number, len(features))]
            started = time.perf_counter()
            try:
                if isinstance(model, SharesEncoder) and model.encoder_key is not None and len(piece) == len(features):
                    if model.encoder_key not in encoded:
                        states = model.encode(piece)
                        encoded[model.encoder_key] = states, time.perf_counter() - started
                    states, encoder_s = encoded[model.encoder_key]
                    started = time.perf_counter() - encoder_s
                    transcriptions = model.decode(states)
                else:
                    transcriptions = model.transcribe(piece)
            except Exception as error:
                self._shrink(number, len(piece), error)
                continue
            share = (time.perf_counter() - started) / len(piece) if is_timed(model) else None
            decoded += [_Decoded(one, share, len(piece)) for one in transcriptions]
        return decoded

    def _shrink(self, number: int, size: int, error: Exception) -> None:
        """Remember that a batch was too large, or tell the error if that is not what it says or nothing is left to halve.

        Raises:
            UserError: whatever a model raises; the rows of earlier batches stay.
        """
        if isinstance(error, UserError):
            raise error
        name = self._models[number].card.id
        if size == 1 or not is_out_of_memory(error):
            said = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_SAID]
            raise UserError(
                f"model: {name!r} failed on {size} clips: {said} (the rows so far stay; ASKD_BENCH_TRACEBACK=1 shows where)"
            ) from error
        self._largest[number] = size // 2
        LOG.info(f"{name}: {size} utterances together are too much for memory; going on with {size // 2}")


def _row(condition: Condition, item: Prepared, decoded: _Decoded | None) -> Row:
    utterance = item.utterance
    common: dict[str, Any] = {
        "condition": condition.id,
        "utterance": utterance.id,
        "reference": utterance.reference,
        "duration_s": item.duration_s,
        "speaker": utterance.speaker,
        "group": utterance.group,
        "split": utterance.split,
        "realised": item.realised,
        "audio_sha256": item.audio_sha256,
    }
    if decoded is None or isinstance(decoded.transcription, Failure):
        reason = item.error if decoded is None else decoded.transcription.reason  # type: ignore[union-attr]
        return Row(hypothesis=None, batch=0, error=reason, **common)
    transcription = decoded.transcription
    return Row(
        hypothesis=transcription.text,
        words=transcription.words,
        word_tokens=transcription.word_tokens,
        token_logprobs=transcription.token_logprobs,
        token_entropies=transcription.token_entropies,
        tempered_logprobs=transcription.tempered_logprobs,
        long_form=transcription.long_form,
        batch=decoded.batch,
        decode_s=decoded.decode_s,
        **common,
    )
