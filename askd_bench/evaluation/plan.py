"""What a run will do, in which order: batches of clips of similar length, condition by condition, the same whatever happens on the way."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from askd_bench.audio import audio_duration_s
from askd_bench.corpora.base import Corpus, Digest
from askd_bench.evaluation.inputs import count
from askd_bench.suites import Condition
from askd_bench.types import Utterance

_WINDOW = 256
"""Utterances held at a time: batches are made of similar lengths within it, and memory stays flat however large the corpus."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Utterances to decode together under one condition; `models` are the numbers of those that are to transcribe it."""

    condition: Condition
    utterances: Sequence[Utterance]
    models: Sequence[int] = ()

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The keys of its rows, in order."""
        return [(self.condition.id, utterance.id) for utterance in self.utterances]


@dataclass(frozen=True, slots=True)
class Outline:
    """A plan in numbers: condition -> utterances in each of its batches; `fingerprint` is the sha256 (hex) of all keys in their order."""

    sizes: Mapping[str, Sequence[int]]
    fingerprint: str

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return sum(map(len, self.sizes.values()))


@dataclass(frozen=True, slots=True)
class Part:
    """The batches `first` up to but not including `end` of a plan with that outline."""

    first: int
    end: int
    outline: Outline

    def of_conditions(self) -> dict[str, range]:
        """Return condition -> which of its own batches belong to the part, without conditions that have none."""
        wanted: dict[str, range] = {}
        start = 0
        for condition, sizes in self.outline.sizes.items():
            own = range(max(self.first - start, 0), min(self.end - start, len(sizes)))
            wanted |= {condition: own} if own else {}
            start += len(sizes)
        return wanted

    @property
    def utterances(self) -> int:
        """How many rows the part comes to."""
        return sum(sum(self.outline.sizes[condition][own.start : own.stop]) for condition, own in self.of_conditions().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The batches of a run, or of a part of it; iterate as often as needed.

    Attributes:
        conditions: in order.
        reported: utterances that every condition is applied to.
        fitting: "dev" utterances, for fitting temperatures on clean speech: in the baseline condition only; None for none.
        baseline: id of that condition.
        batch_size: most utterances in a batch.
        window_s: clips longer than that, and clips of unknown length, are batches of their own; None for no limit.
        part: only these batches; None for all.
    """

    conditions: Sequence[Condition]
    reported: Corpus
    fitting: Corpus | None
    baseline: str
    batch_size: int
    window_s: float | None
    part: Part | None = None

    def __iter__(self) -> Iterator[Batch]:
        wanted = self.part.of_conditions() if self.part else {}
        for condition in self.conditions:
            if self.part is None:
                yield from self._of_condition(condition, iter)
            elif own := wanted.get(condition.id):  # the other conditions' utterances are not even read
                yield from itertools.islice(self._of_condition(condition, iter), own.start, own.stop)

    def outline(self) -> Outline:
        """Count the batches of the whole plan, by two passes over the metadata: with the fitting utterances and without."""
        known: dict[bool, tuple[Sequence[int], str]] = {}
        sizes, digest = {}, Digest()
        for condition in self.conditions:
            with_fitting = condition.id == self.baseline
            if with_fitting not in known:
                known[with_fitting] = _measure(self._of_condition(condition, _timed))
            sizes[condition.id], fingerprint = known[with_fitting]
            digest.add(condition.id, fingerprint)
        return Outline(sizes, digest.hex())

    def _of_condition(self, condition: Condition, read: Callable[[Corpus], Iterator[Utterance]]) -> Iterator[Batch]:
        utterances = read(self.reported)
        if condition.id == self.baseline and self.fitting is not None:
            utterances = itertools.chain(utterances, read(self.fitting))
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


@dataclass(frozen=True, slots=True)
class Size:
    """Of a plan: utterances under each condition, and those for fitting."""

    utterances: int
    fitting: int

    @classmethod
    def of(cls, plan: Plan) -> "Size":
        """Count, which may take a pass over the corpus."""
        return cls(count(plan.reported), count(plan.fitting) if plan.fitting else 0)

    def rows(self, plan: Plan) -> int:
        """Return how many rows the whole plan comes to, whatever part of it this is."""
        return self.utterances * len(plan.conditions) + self.fitting


def _with_duration(utterance: Utterance) -> Utterance:
    """Take the duration from the recording's header where the corpus does not say it; None where the header does not either."""
    if utterance.duration_s is not None:
        return utterance
    return replace(utterance, duration_s=audio_duration_s(utterance.audio, name_hint=utterance.id))


def _timed(corpus: Corpus) -> Iterator[Utterance]:
    """Return the utterances without audio where every duration can be had so, else with it: a plan hangs on durations."""
    enough = all(utterance.duration_s is not None or utterance.audio for utterance in corpus.metadata())
    return corpus.metadata() if enough else iter(corpus)


def _measure(batches: Iterable[Batch]) -> tuple[Sequence[int], str]:
    sizes, digest = [], Digest()
    for batch in batches:
        sizes.append(len(batch.utterances))
        digest.add(*(utterance.id for utterance in batch.utterances))
    return sizes, digest.hex()
