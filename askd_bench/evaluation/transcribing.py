"""One batch through several models: equal encoders run once, and a batch that is too large for memory is halved."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from askd_bench.errors import UserError
from askd_bench.log import LOG
from askd_bench.models.memory import is_out_of_memory
from askd_bench.models.protocol import Features, SharesEncoder, Transcriber, is_timed
from askd_bench.types import Failure, Transcription

_MOST_SAID = 400


@dataclass(frozen=True, slots=True)
class Decoded:
    """One utterance's transcription, its share of its batch's time (seconds; None where untimed), and how many were decoded together."""

    transcription: Transcription | Failure
    decode_s: float | None
    batch: int


@dataclass(slots=True)
class Ensemble:
    """Models that hear the same batches.

    Models with equal `encoder_key` share one pass of the encoder. Each is charged for the whole of it, so that its timings are those of a
    run of its own.
    """

    _largest: dict[int, int] = field(default_factory=dict)

    def transcribe(self, transcribers: Sequence[Transcriber], features: Sequence[Sequence[Features]]) -> list[list[Decoded]]:
        """Return for each model what it makes of the batch.

        Args:
            transcribers: the models.
            features: for each of them, those of all utterances.
        """
        encoded: dict[str, tuple[Any, float]] = {}
        return [self._one(*pair, encoded) for pair in zip(transcribers, features, strict=True)]

    def _one(self, transcriber: Transcriber, features: Sequence[Features], encoded: dict[str, tuple[Any, float]]) -> list[Decoded]:
        key = transcriber.encoder_key if isinstance(transcriber, SharesEncoder) else None
        if not features:
            return []
        if key is None or len(features) > self._largest.get(id(transcriber), len(features)):
            return self._in_halves(transcriber, features)
        assert isinstance(transcriber, SharesEncoder)
        try:
            if key not in encoded:
                started = time.perf_counter()
                states = transcriber.encode(features)
                encoded[key] = states, time.perf_counter() - started
            states, encoder_s = encoded[key]
            started = time.perf_counter()
            transcriptions = transcriber.decode(states)
            return _shared_out(transcriptions, encoder_s + time.perf_counter() - started)
        except Exception as error:
            self._shrink(transcriber, len(features), error)
        return self._in_halves(transcriber, features)

    def _in_halves(self, transcriber: Transcriber, features: Sequence[Features]) -> list[Decoded]:
        """Decode in pieces no larger than what memory has been found to hold."""
        decoded: list[Decoded] = []
        while len(decoded) < len(features):
            size = self._largest.get(id(transcriber), len(features))
            piece = features[len(decoded) : len(decoded) + size]
            started = time.perf_counter()
            try:
                transcriptions = transcriber.transcribe(piece)
            except Exception as error:
                self._shrink(transcriber, len(piece), error)
                continue
            decoded += _shared_out(transcriptions, time.perf_counter() - started if is_timed(transcriber) else None)
        return decoded

    def _shrink(self, transcriber: Transcriber, size: int, error: Exception) -> None:
        """Remember that a batch was too large, or tell the error if that is not what it says or nothing is left to halve.

        Raises:
            UserError: whatever a model raises; the rows of earlier batches stay.
        """
        if isinstance(error, UserError):
            raise error
        if size == 1 or not is_out_of_memory(error):
            said = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_SAID]
            raise UserError(
                f"model: {transcriber.card.id!r} failed on {size} clips: {said} (the rows so far stay; ASKD_BENCH_TRACEBACK=1 shows where)"
            ) from error
        self._largest[id(transcriber)] = size // 2
        LOG.warning(f"{transcriber.card.id}: {size} utterances together are too much for memory; going on with {size // 2}")


def _shared_out(transcriptions: Sequence[Transcription | Failure], seconds: float | None) -> list[Decoded]:
    share = None if seconds is None else seconds / len(transcriptions)
    return [Decoded(one, share, len(transcriptions)) for one in transcriptions]
