"""One utterance marked up for reading: which words are right, wrong, left out, and how sure the model was of each."""

import math
from dataclasses import dataclass

from askd_bench.metrics.alignment import Kind, align
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION, check_aggregation, scored_confidences, sources_of, word_confidences
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import Row


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
    normalise = normaliser(normalizer)
    reference, hypothesis = normalise(row.reference).split(), normalise(row.hypothesis or "").split()
    sources = sources_of(row, hypothesis_words=hypothesis, normalise=normalise)
    confidences = scored_confidences(word_confidences(row, aggregation=aggregation), sources).values[0].tolist()
    marked: list[MarkedWord] = []
    for step in align(reference=reference, hypothesis=hypothesis):
        said = None if step.reference is None else reference[step.reference]
        if step.hypothesis is None:
            marked.append(MarkedWord(step.kind, said, None, None))
        else:
            confidence = confidences[step.hypothesis]
            marked.append(MarkedWord(step.kind, said, hypothesis[step.hypothesis], None if math.isnan(confidence) else confidence))
    return marked
