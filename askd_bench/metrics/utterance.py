"""One utterance normalised, aligned and marked: which words are right, wrong, left out, and how sure the model was of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from askd_bench.metrics.alignment import AlignedWord, Kind, align
from askd_bench.metrics.confidence import (
    DEFAULT_AGGREGATION,
    Confidences,
    check_aggregation,
    scored_confidences,
    sources_of,
    word_confidences,
)
from askd_bench.text import DEFAULT_NORMALISER, Normaliser, normaliser
from askd_bench.types import Row


@dataclass(frozen=True, slots=True)
class AlignedUtterance:
    """What scoring, comparisons and marking are made of; where there is no hypothesis, its text is empty.

    Attributes:
        reference, hypothesis: normalised words.
        reference_text, hypothesis_text: the normalised texts, whose characters are counted for CER.
        steps: of the minimal alignment.
        sources: for each hypothesis word the raw words that it came from.
        confidences: of the hypothesis words.
    """

    reference: Sequence[str]
    hypothesis: Sequence[str]
    reference_text: str
    hypothesis_text: str
    steps: Sequence[AlignedWord]
    sources: Sequence[tuple[int, ...]]
    confidences: Confidences


def align_utterance(row: Row, *, normalise: Normaliser, aggregation: str) -> AlignedUtterance:
    """Normalise and align a row's texts, and carry its confidences over to the normalised words."""
    reference, hypothesis = normalise(row.reference), normalise(row.hypothesis or "")
    words, written = reference.split(), hypothesis.split()
    sources = sources_of(row, hypothesis_words=written, normalise=normalise)
    confidences = scored_confidences(word_confidences(row, aggregation=aggregation), sources)
    return AlignedUtterance(words, written, reference, hypothesis, list(align(reference=words, hypothesis=written)), sources, confidences)


@dataclass(frozen=True, slots=True)
class MarkedWord:
    """One step of the alignment of normalised words.

    Attributes:
        kind: hit, substitution, deletion or insertion.
        reference: the reference word, None where something was inserted.
        hypothesis: the hypothesis word, None where a word was left out.
        confidence: of the hypothesis word, None where unknown or deleted.
    """

    kind: Kind
    reference: str | None
    hypothesis: str | None
    confidence: float | None


def mark(row: Row, *, normalizer: str = DEFAULT_NORMALISER, aggregation: str = DEFAULT_AGGREGATION) -> list[MarkedWord]:
    """Return the row's words in reading order; every reference word deleted where there is no hypothesis.

    >>> from askd_bench.types import Word
    >>> row = Row(condition="clean", utterance="u", reference="The cat sat.", hypothesis="the hat", duration_s=1.0,
    ...     words=(Word("the", 0.9), Word("hat", 0.4)))
    >>> [(word.kind, word.reference, word.hypothesis, word.confidence) for word in mark(row)]
    [('hit', 'the', 'the', 0.9), ('substitution', 'cat', 'hat', 0.4), ('deletion', 'sat', None, None)]
    """
    check_aggregation(aggregation)
    aligned = align_utterance(row, normalise=normaliser(normalizer), aggregation=aggregation)
    return [_marked(aligned, step) for step in aligned.steps]


def _marked(aligned: AlignedUtterance, step: AlignedWord) -> MarkedWord:
    said = None if step.reference is None else aligned.reference[step.reference]
    if step.hypothesis is None:
        return MarkedWord(step.kind, said, None, None)
    confidence = float(aligned.confidences.values[0, step.hypothesis])
    return MarkedWord(step.kind, said, aligned.hypothesis[step.hypothesis], None if math.isnan(confidence) else confidence)
