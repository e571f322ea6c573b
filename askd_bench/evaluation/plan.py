"""What a run will do, in which order: batches of clips of similar length, condition by condition, the same whatever happens on the way."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from askd_bench.audio import audio_duration_s
from askd_bench.corpora.base import Corpus
from askd_bench.suites import Condition
from askd_bench.types import Utterance

_WINDOW = 256
"""Utterances held at a time: batches are made of similar lengths within it, and memory stays flat however large the corpus."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Utterances to decode together under one condition."""

    condition: Condition
    utterances: Sequence[Utterance]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The keys of its rows, in order."""
        return [(self.condition.id, utterance.id) for utterance in self.utterances]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The batches of a run; iterate as often as needed.

    Attributes:
        conditions: in order.
        reported: utterances that every condition is applied to.
        fitting: "dev" utterances, for fitting temperatures on clean speech: in the baseline condition only; None for none.
        baseline: id of that condition.
        batch_size: most utterances in a batch.
        window_s: clips longer than that, and clips of unknown length, are batches of their own; None for no limit.
    """

    conditions: Sequence[Condition]
    reported: Corpus
    fitting: Corpus | None
    baseline: str
    batch_size: int
    window_s: float | None

    def __iter__(self) -> Iterator[Batch]:
        for condition in self.conditions:
            utterances = iter(self.reported)
            if condition.id == self.baseline and self.fitting is not None:
                utterances = itertools.chain(utterances, self.fitting)
            while window := [_with_duration(utterance) for utterance in itertools.islice(utterances, _WINDOW)]:
                yield from self._batches(condition, window)

    def _batches(self, condition: Condition, window: Sequence[Utterance]) -> Iterator[Batch]:
        alone = [u for u in window if u.duration_s is None or (self.window_s is not None and u.duration_s > self.window_s)]
        alone_ids = {u.id for u in alone}
        together = sorted((u for u in window if u.id not in alone_ids), key=lambda u: (u.duration_s or 0.0, u.id))
        for start in range(0, len(together), self.batch_size):
            yield Batch(condition, together[start : start + self.batch_size])
        for utterance in alone:
            yield Batch(condition, [utterance])


def _with_duration(utterance: Utterance) -> Utterance:
    """Take the duration from the recording's header where the corpus does not say it; None where the header does not either."""
    if utterance.duration_s is not None:
        return utterance
    return replace(utterance, duration_s=audio_duration_s(utterance.audio, name_hint=utterance.id))
