"""Models that hear the same renderings: from a batch of prepared utterances to each model's rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.transcribing import Decoded, Ensemble
from askd_bench.evaluation.workers import Prepared, Preparer
from askd_bench.models.protocol import Frontend, Transcriber, is_timed
from askd_bench.signature import ModelCard
from askd_bench.suites import Condition
from askd_bench.types import SAMPLING_RATE, Failure, Row


class Described(Protocol):
    """What planning and recording need to know of a model, wherever it is; every `Transcriber` is one."""

    @property
    def card(self) -> ModelCard:
        """What identifies the model."""

    @property
    def window_s(self) -> float | None:
        """See `Transcriber`."""

    @property
    def frontend(self) -> Frontend:
        """What is to be made of audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Who hears a plan.

    Attributes:
        models: numbers of the members, all of one window, among the models that an executor has loaded.
        frontends: for each member, which of the preparer's front ends is its own.
        preparer: makes what they hear.
    """

    models: Sequence[int]
    frontends: Sequence[int]
    preparer: Preparer


@dataclass(frozen=True, slots=True)
class Work:
    """A batch, and which members of a panel (by their place in it) still lack it."""

    batch: Batch
    lacking: Sequence[int]


class Executor(Protocol):
    """Where models are, and where batches are rendered and heard."""

    @property
    def models(self) -> Sequence[Described]:
        """The models, in the order they were asked for."""

    def hear(self, panel: Panel, works: Iterator[Work]) -> Iterator[list[list[Row]]]:
        """Yield for each piece of work, in order, the rows of each member that lacks it; `works` is read a few ahead."""

    def peak_memory_bytes(self) -> int | None:
        """Return the largest resident set of the process that decoded the last panel, where that process had one model alone."""


class Hearing:
    """A panel with its models, in the process that has loaded them."""

    def __init__(self, panel: Panel, transcribers: Sequence[Transcriber]) -> None:
        self._panel = panel
        self._members = [transcribers[number] for number in panel.models]
        self._ensemble = Ensemble()
        self.warm: set[int] = set()

    def rows(self, work: Work, prepared: Sequence[Prepared]) -> list[list[Row]]:
        """Return the rows of each member that lacks the batch."""
        usable = [item.features for item in prepared if item.features is not None]
        heard = self._ensemble.transcribe(
            [self._members[place] for place in work.lacking],
            [[features[self._panel.frontends[place]] for features in usable] for place in work.lacking],
        )
        return [_rows(work.batch, prepared, decoded) for decoded in heard]

    def warm_up(self, places: Sequence[int]) -> None:
        """Make a first forward pass of those that made none, which allocates and compiles and is no measure of speed."""
        for place in places:
            if place not in self.warm and is_timed(self._members[place]):
                silence = np.zeros(SAMPLING_RATE, np.float32)
                frontend = self._panel.preparer.frontends[self._panel.frontends[place]]
                self._members[place].transcribe([frontend(silence)])
                self.warm.add(place)


def _rows(batch: Batch, prepared: Sequence[Prepared], decoded: Sequence[Decoded]) -> list[Row]:
    heard = iter(decoded)
    return [_row(batch.condition, item, next(heard) if item.features is not None else None) for item in prepared]


def _row(condition: Condition, item: Prepared, decoded: Decoded | None) -> Row:
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
