"""Several systems' hypotheses laid on the same reference words: what comparisons between systems are made of."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION, check_aggregation
from askd_bench.metrics.utterance import align_utterance
from askd_bench.text import DEFAULT_NORMALISER, Normaliser, normaliser
from askd_bench.types import Row

DELETED = -1
"""The outcome of a reference word that has no counterpart in the hypothesis."""

_MISMATCH = "results are not comparable: "


@dataclass(frozen=True, slots=True)
class OnReference:
    """One system's outcome at every reference word.

    Attributes:
        outcome: int64, shape (num_words,), the number of the hypothesis word aligned with the reference word, or `DELETED`.
        confidence: float64, shape (num_words,), of that word; NaN where deleted or unknown.
        inserted: int64, shape (num_words + num_utterances,), words inserted before each reference word and, last of each utterance, at its
        end. failed: bool, shape (num_utterances,), there is no hypothesis.
    """

    outcome: NDArray[np.int64]
    confidence: NDArray[np.float64]
    inserted: NDArray[np.int64]
    failed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Systems on the same utterances, in the same order (sorted by condition and utterance).

    Attributes:
        condition, utterance, speaker: str, shape (num_utterances,).
        reference: int64, shape (num_words,), the number of each reference word.
        word_utterance: int64, shape (num_words,), the utterance of each reference word.
        systems: one `OnReference` each.
        words: number -> word, for reports.
    """

    condition: NDArray[np.str_]
    utterance: NDArray[np.str_]
    speaker: NDArray[np.str_]
    reference: NDArray[np.int64]
    word_utterance: NDArray[np.int64]
    systems: tuple[OnReference, ...]
    words: tuple[str, ...]

    @property
    def gap_utterance(self) -> NDArray[np.int64]:
        """The utterance of each entry of `inserted`, shape (num_words + num_utterances,)."""
        lengths = np.bincount(self.word_utterance, minlength=len(self.utterance)) + 1
        return np.repeat(np.arange(len(self.utterance)), lengths)

    @property
    def done(self) -> NDArray[np.bool_]:
        """Whether every system has a hypothesis, shape (num_utterances,): what a paired comparison rests on."""
        failed: NDArray[np.bool_] = np.logical_or.reduce([system.failed for system in self.systems])
        return ~failed

    def wrong(self, system: int) -> NDArray[np.bool_]:
        """Whether that system gets each reference word wrong, shape (num_words,)."""
        return np.not_equal(self.systems[system].outcome, self.reference)

    def errors(self, system: int) -> NDArray[np.int64]:
        """Word errors of each utterance, shape (num_utterances,)."""
        n = len(self.utterance)
        missed = np.bincount(self.word_utterance[self.wrong(system)], minlength=n)
        return missed + np.bincount(self.gap_utterance, weights=self.systems[system].inserted, minlength=n).astype(np.int64)

    def capped_errors(self, system: int) -> NDArray[np.int64]:
        """Word errors of each utterance, at most its reference words, so that a loop counts as one lost line; shape (num_utterances,)."""
        return np.minimum(self.errors(system), self.reference_words)

    @property
    def reference_words(self) -> NDArray[np.int64]:
        """Reference words of each utterance, shape (num_utterances,)."""
        return np.bincount(self.word_utterance, minlength=len(self.utterance)).astype(np.int64)


def align_systems(
    systems: Sequence[Iterable[Row]],
    *,
    names: Sequence[str],
    normalizer: str = DEFAULT_NORMALISER,
    aggregation: str = DEFAULT_AGGREGATION,
) -> Aligned:
    """Lay the test utterances of several results on their common references.

    Args:
        systems: the rows of each result; "dev" utterances are left out unless there are no others.
        names: what to call the results in messages.
        normalizer: applied to references and hypotheses.
        aggregation: of word confidence.

    Raises:
        UserError: the results do not hold the same utterances under the same conditions, with the same references and the same audio.
    """
    check_aggregation(aggregation)
    tables = [_by_key(rows, name) for rows, name in zip(systems, names, strict=True)]
    for table, name in zip(tables[1:], names[1:], strict=True):
        _check_comparable(tables[0], table, names[0], name)
    keys = sorted(tables[0])
    vocabulary: dict[str, int] = {}
    normalise: Normaliser = normaliser(normalizer)
    references = [[vocabulary.setdefault(word, len(vocabulary)) for word in normalise(tables[0][key].reference).split()] for key in keys]
    aligned = tuple(_lay([table[key] for key in keys], references, vocabulary, normalise, aggregation) for table in tables)
    rows = [tables[0][key] for key in keys]
    return Aligned(
        condition=np.array([row.condition for row in rows], np.str_),
        utterance=np.array([row.utterance for row in rows], np.str_),
        speaker=np.array([row.speaker or "" for row in rows], np.str_),
        reference=np.array([word for words in references for word in words], np.int64),
        word_utterance=np.repeat(np.arange(len(references)), [len(words) for words in references]),
        systems=aligned,
        words=tuple(vocabulary),
    )


def _by_key(rows: Iterable[Row], name: str) -> dict[tuple[str, str], Row]:
    everything = list(rows)
    chosen = [row for row in everything if row.split != "dev"] or everything
    if not chosen:
        raise UserError(f"{name}: no utterances to compare")
    table = {(row.condition, row.utterance): row for row in chosen}
    if len(table) < len(chosen):
        raise UserError(f"{name}: {len(chosen) - len(table)} utterances occur twice in their condition; each may occur once")
    return table


def _check_comparable(a: dict[tuple[str, str], Row], b: dict[tuple[str, str], Row], name_a: str, name_b: str) -> None:
    conditions = sorted({c for c, _ in a} ^ {c for c, _ in b})
    if conditions:
        raise UserError(f"{_MISMATCH}conditions {', '.join(conditions)} are not in both {name_a} and {name_b}")
    lonely = sorted(a.keys() ^ b.keys())
    if lonely:
        raise UserError(
            f"{_MISMATCH}{len(lonely)} utterances are not in both {name_a} and {name_b}, first {lonely[0][1]!r} in {lonely[0][0]!r}"
        )
    for what in ("reference", "audio_sha256"):
        differing = [
            key
            for key, row in a.items()
            if getattr(row, what) != getattr(b[key], what) and None not in (getattr(row, what), getattr(b[key], what))
        ]
        if differing:
            condition, utterance = min(differing)
            where = f"{len(differing)} utterances, first {utterance!r} in {condition!r}"
            raise UserError(f"{_MISMATCH}{what} differs between {name_a} and {name_b} for {where}")


def _lay(
    rows: Sequence[Row], references: Sequence[Sequence[int]], vocabulary: dict[str, int], normalise: Normaliser, aggregation: str
) -> OnReference:
    outcome: list[int] = []
    confidence: list[float] = []
    inserted: list[int] = []
    for row, reference in zip(rows, references, strict=True):
        aligned = align_utterance(row, normalise=normalise, aggregation=aggregation)
        hypothesis = [vocabulary.setdefault(word, len(vocabulary)) for word in aligned.hypothesis]
        confidences = aligned.confidences.values[0]
        outcomes, sure, gaps = [DELETED] * len(reference), [math.nan] * len(reference), [0] * (len(reference) + 1)
        at = 0
        for step in aligned.steps:
            if step.reference is None:
                gaps[at] += 1
                continue
            at = step.reference + 1
            if step.hypothesis is not None:
                outcomes[step.reference] = hypothesis[step.hypothesis]
                sure[step.reference] = confidences[step.hypothesis]
        outcome += outcomes
        confidence += sure
        inserted += gaps
    return OnReference(
        np.array(outcome, np.int64),
        np.array(confidence, np.float64),
        np.array(inserted, np.int64),
        np.array([row.hypothesis is None for row in rows], np.bool_),
    )
