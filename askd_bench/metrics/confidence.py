"""Word confidence: from tokens to words as written, and from these to words as scored (normalised)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from askd_bench.errors import unknown_name
from askd_bench.text import Normaliser
from askd_bench.types import Row

Array = NDArray[np.float64]
Aggregation = Callable[[Array, NDArray[np.int64], NDArray[np.int64]], Array]
"""(values, starts, sizes) -> confidences in [0, 1]; values: shape (..., tokens); words begin at `starts`, with `sizes` >= 1 tokens."""

AGGREGATIONS: dict[str, Aggregation] = {
    "min": lambda logprobs, starts, sizes: np.exp(np.minimum.reduceat(logprobs, starts, axis=-1)),
    "product": lambda logprobs, starts, sizes: np.exp(np.add.reduceat(logprobs, starts, axis=-1)),
    "geometric-mean": lambda logprobs, starts, sizes: np.exp(np.add.reduceat(logprobs, starts, axis=-1) / sizes),
    "last": lambda logprobs, starts, sizes: np.exp(logprobs[..., starts + sizes - 1]),
}
"""Named ways from the natural log-probabilities of a word's tokens to its confidence."""

ENTROPY = "entropy"
"""A word's confidence as 1 - the largest normalised entropy among its tokens: how sure the model was, whatever it then chose."""

DEFAULT_AGGREGATION = "min"


def check_aggregation(name: str) -> str:
    """Return `name`; raise UserError with the nearest names if there is no such aggregation."""
    if name != ENTROPY and name not in AGGREGATIONS:
        raise unknown_name("aggregation", name, [*AGGREGATIONS, ENTROPY])
    return name


@dataclass(frozen=True, slots=True)
class Confidences:
    """Confidences of an utterance's items (raw words, tokens or scored words), NaN where unknown.

    Attributes:
        values: float64, shape (1 + num_temperatures, num_items): as decoded, then at each of `temperatures`.
        temperatures: those stored besides 1.
    """

    values: Array
    temperatures: tuple[float, ...]


def word_confidences(row: Row, *, aggregation: str = DEFAULT_AGGREGATION) -> Confidences:
    """Return the confidence of each raw word of `row.words`.

    Recomputed from token values where the row has them; otherwise, for the default aggregation, the stored ones (without temperatures).

    >>> from askd_bench.types import Word
    >>> row = Row(condition="clean", utterance="u", reference="a b", hypothesis="a b", duration_s=1.0,
    ...     words=(Word("a", None), Word("b", None)), word_tokens=(1, 2), token_logprobs=(-0.1, -0.2, -0.7))
    >>> word_confidences(row, aggregation="product").values.round(4)
    array([[0.9048, 0.4066]])
    """
    tokens = _token_values(row, aggregation)
    if tokens is None:
        stored = aggregation == DEFAULT_AGGREGATION
        return Confidences(
            np.array([[np.nan if word.confidence is None or not stored else word.confidence for word in row.words]], np.float64), ()
        )
    sizes = np.array(row.word_tokens, np.int64)
    starts = np.cumsum(sizes) - sizes
    combine = _least_certain if aggregation == ENTROPY else AGGREGATIONS[aggregation]
    if sizes.all():
        return Confidences(combine(tokens.values, starts, sizes), tokens.temperatures)
    some = sizes > 0
    out = np.full((len(tokens.values), len(sizes)), np.nan)
    if some.any():
        out[:, some] = combine(tokens.values, starts[some], sizes[some])
    return Confidences(out, tokens.temperatures)


def token_confidences(row: Row) -> Confidences | None:
    """Return the probability of each token, None where tokens and words do not fit together."""
    tokens = _token_values(row, DEFAULT_AGGREGATION)
    return None if tokens is None else Confidences(np.exp(tokens.values), tokens.temperatures)


def _least_certain(entropies: Array, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Array:
    certainty: Array = 1.0 - np.maximum.reduceat(entropies, starts, axis=-1)
    return certainty


def _token_values(row: Row, aggregation: str) -> Confidences | None:
    """Return log-probabilities (or entropies) of the tokens, None where tokens and words do not fit together."""
    own = row.token_entropies if aggregation == ENTROPY else row.token_logprobs
    if not own or len(row.word_tokens) != len(row.words) or sum(row.word_tokens) != len(own):
        return None
    tempered = {} if aggregation == ENTROPY else {t: v for t, v in row.tempered_logprobs.items() if t != 1.0 and len(v) == len(own)}
    return Confidences(np.array([own, *tempered.values()], np.float64), tuple(tempered))


def scored_confidences(confidences: Confidences, sources: Sequence[Sequence[int]]) -> Confidences:
    """Return the confidence of each normalised word: the lowest of the raw words it came from, NaN where one is unknown or none is."""
    flat = np.array([i for source in sources for i in source], np.int64)
    if len(flat) == len(sources) and all(sources):
        return Confidences(confidences.values[:, flat], confidences.temperatures)
    sizes = np.array([len(source) for source in sources], np.int64)
    some = sizes > 0
    out = np.full((len(confidences.values), len(sizes)), np.nan)
    if some.any():
        # NaN wins: one unknown part makes the word unknown
        out[:, some] = np.minimum.reduceat(confidences.values[:, flat], (np.cumsum(sizes) - sizes)[some], axis=-1)
    return Confidences(out, confidences.temperatures)


def sources_of(row: Row, *, hypothesis_words: Sequence[str], normalise: Normaliser) -> list[tuple[int, ...]]:
    """Say which raw words of the row each normalised hypothesis word came from; all empty where the row has no words."""
    if not row.words:
        return [()] * len(hypothesis_words)
    return source_words(pieces=[normalise(word.text).split() for word in row.words], normalised=hypothesis_words)


def source_words(*, pieces: Sequence[Sequence[str]], normalised: Sequence[str]) -> list[tuple[int, ...]]:
    """Say for each normalised word which raw words it came from.

    `pieces[i]` is raw word i normalised on its own. Joined, the pieces usually are the normalised text. Where they differ, because a rule
    looks at several words ("twenty five" -> "25"), the differing stretch is one block: each normalised word in it came from every raw word
    of it. A normalised word that no raw word can be found for takes the two neighbours.

    >>> source_words(pieces=[["i"], ["am"], ["20"], ["5"], ["today"]], normalised=["i", "am", "25", "today"])
    [(0,), (1,), (2, 3), (4,)]
    """
    flat = [piece for word in pieces for piece in word]
    origin = [i for i, word in enumerate(pieces) for _ in word]
    if flat == list(normalised):
        return [(i,) for i in origin]
    sources: list[tuple[int, ...]] = [()] * len(normalised)
    at_flat = at_normalised = 0
    for flat_start, normalised_start, size in Levenshtein.opcodes(flat, normalised).as_matching_blocks():
        if normalised_start > at_normalised:
            block = origin[at_flat:flat_start] or origin[max(at_flat - 1, 0) : flat_start + 1]
            for j in range(at_normalised, normalised_start):
                sources[j] = tuple(sorted(set(block)))
        for offset in range(size):
            sources[normalised_start + offset] = (origin[flat_start + offset],)
        at_flat, at_normalised = flat_start + size, normalised_start + size
    return sources
