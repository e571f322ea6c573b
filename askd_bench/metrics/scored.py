"""What is left of rows once they are scored: arrays that every metric is a function of."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ragged:
    """Items (words or tokens) of many utterances: one entry an item, in utterance order.

    Attributes:
        utterance: int64, shape (num_items,), the utterance's position in `Scored`.
        correct: bool, shape (num_items,).
        confidence: float64, shape (num_items,), in [0, 1], NaN where the runtime gives none.
        tempered: temperature -> float64 (num_items,), the confidence had the logits been divided by it; empty where not stored.
    """

    utterance: NDArray[np.int64]
    correct: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    tempered: dict[float, NDArray[np.float64]]

    def select(self, keep: NDArray[np.bool_]) -> "Ragged":
        """Keep the items of the kept utterances (`keep`: bool, one an utterance) and renumber them."""
        items = keep[self.utterance]
        renumbered = (np.cumsum(keep) - 1)[self.utterance[items]]
        return Ragged(renumbered, self.correct[items], self.confidence[items], {t: c[items] for t, c in self.tempered.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Sufficient statistics of n utterances; each array has shape (n,) unless said otherwise.

    An utterance without hypothesis (`failed`) has zero counts everywhere but in `reference_words` and `reference_chars`; it enters no rate,
    and its number is reported beside every table.

    Attributes:
        normalizer: name of the normaliser.
        aggregation: name of the aggregation of token values into word confidences.
        condition, utterance, speaker, group: str; "" for unknown speaker or group.
        dev: bool, the utterance serves for fitting only.
        failed: bool, no hypothesis.
        duration_s: float64, seconds of audio. decode_s: float64, NaN where there is no valid timing. batch: int64.
        hits, substitutions, deletions, insertions: int64, words. char_*: the same for characters of the normalised text, spaces included.
        reference_words, reference_chars: int64, of the normalised reference, failed utterances included.
        disjoint: bool, there is a hypothesis and no word of it occurs in the reference (normalised).
        loops: int64, repeated 5-grams of the raw hypothesis beyond those of the raw reference.
        raw_words: int64, white-space separated words of the raw hypothesis. bracketed_words: int64, those of them in brackets, *..* or
        notes. text_bytes, compressed_bytes: int64, UTF-8 bytes of the raw hypothesis before and after zlib.
        utterance_confidence: float64 in [0, 1], exp(mean token log-probability), NaN where there are no tokens.
        words: one item per normalised hypothesis word; correct = aligned with an equal reference word.
        tokens: one item per token of a raw word that has a verdict; correct = every scored word that comes from its raw word is.
    """

    normalizer: str
    aggregation: str
    condition: NDArray[np.str_]
    utterance: NDArray[np.str_]
    speaker: NDArray[np.str_]
    group: NDArray[np.str_]
    dev: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    duration_s: NDArray[np.float64]
    decode_s: NDArray[np.float64]
    batch: NDArray[np.int64]
    hits: NDArray[np.int64]
    substitutions: NDArray[np.int64]
    deletions: NDArray[np.int64]
    insertions: NDArray[np.int64]
    char_hits: NDArray[np.int64]
    char_substitutions: NDArray[np.int64]
    char_deletions: NDArray[np.int64]
    char_insertions: NDArray[np.int64]
    reference_words: NDArray[np.int64]
    reference_chars: NDArray[np.int64]
    disjoint: NDArray[np.bool_]
    loops: NDArray[np.int64]
    raw_words: NDArray[np.int64]
    bracketed_words: NDArray[np.int64]
    text_bytes: NDArray[np.int64]
    compressed_bytes: NDArray[np.int64]
    utterance_confidence: NDArray[np.float64]
    words: Ragged
    tokens: Ragged

    def __len__(self) -> int:
        return len(self.condition)

    @property
    def errors(self) -> NDArray[np.int64]:
        """Word errors of each utterance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def hypothesis_words(self) -> NDArray[np.int64]:
        """Normalised hypothesis words of each utterance."""
        return self.hits + self.substitutions + self.insertions

    def select(self, keep: NDArray[np.bool_]) -> Self:
        """Return the utterances where `keep` (bool, shape (n,)) is true."""
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                changes[field.name] = value[keep]
            elif isinstance(value, Ragged):
                changes[field.name] = value.select(keep)
        return replace(self, **changes)
