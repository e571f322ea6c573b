"""Word confidence: from tokens to words as written, and from these to words as scored (normalised)."""

import math
from collections.abc import Callable, Sequence

from rapidfuzz.distance import Levenshtein

from askd_bench.errors import unknown_name
from askd_bench.text import Normaliser
from askd_bench.types import Row

Aggregation = Callable[[Sequence[float]], float]

AGGREGATIONS: dict[str, Aggregation] = {
    "min": lambda logprobs: math.exp(min(logprobs)),
    "product": lambda logprobs: math.exp(math.fsum(logprobs)),
    "geometric-mean": lambda logprobs: math.exp(math.fsum(logprobs) / len(logprobs)),
    "last": lambda logprobs: math.exp(logprobs[-1]),
}
"""Name -> confidence of a word in (0, 1] from the natural log-probabilities of its tokens (at least one)."""

ENTROPY = "entropy"
"""A word's confidence as 1 - the largest normalised entropy among its tokens: how sure the model was, whatever it then chose."""

DEFAULT_AGGREGATION = "min"


def check_aggregation(name: str) -> str:
    """Return `name`; raise UserError with the nearest names if there is no such aggregation."""
    if name != ENTROPY and name not in AGGREGATIONS:
        raise unknown_name("aggregation", name, [*AGGREGATIONS, ENTROPY])
    return name


def word_confidences(row: Row, *, aggregation: str = DEFAULT_AGGREGATION, temperature: float = 1.0) -> list[float]:
    """Return the confidence in [0, 1] of each raw word of `row.words`, NaN where the row cannot say.

    Recomputed from token values where these are stored; otherwise, for the default aggregation at temperature 1, the stored confidences.
    `temperature` other than 1 needs that temperature among `row.tempered_logprobs`.
    """
    missing = [math.nan] * len(row.words)
    if aggregation == ENTROPY:
        values: Sequence[float] | None = row.token_entropies if temperature == 1.0 else None
    else:
        values = row.token_logprobs if temperature == 1.0 else row.tempered_logprobs.get(temperature)
    if values and len(row.word_tokens) == len(row.words) and sum(row.word_tokens) == len(values):
        combine = (lambda entropies: 1.0 - max(entropies)) if aggregation == ENTROPY else AGGREGATIONS[aggregation]
        out, start = [], 0
        for count in row.word_tokens:
            out.append(combine(values[start : start + count]) if count else math.nan)
            start += count
        return out
    if aggregation == DEFAULT_AGGREGATION and temperature == 1.0:
        return [math.nan if word.confidence is None else word.confidence for word in row.words]
    return missing


def scored_confidences(
    row: Row, *, hypothesis_words: Sequence[str], normalise: Normaliser, aggregation: str = DEFAULT_AGGREGATION, temperature: float = 1.0
) -> list[float]:
    """Return the confidence of each normalised hypothesis word: the lowest among the raw words it came from, NaN where one is unknown."""
    if not row.words:
        return [math.nan] * len(hypothesis_words)
    pieces = [normalise(word.text).split() for word in row.words]
    sources = source_words(pieces=pieces, normalised=hypothesis_words)
    return lowest(word_confidences(row, aggregation=aggregation, temperature=temperature), sources)


def lowest(confidences: Sequence[float], sources: Sequence[Sequence[int]]) -> list[float]:
    """Return the lowest of the confidences each entry of `sources` points at, NaN where one of them is NaN or there is none."""
    # min() with a NaN depends on the order, hence the check
    return [
        min(confidences[i] for i in source) if source and not any(math.isnan(confidences[i]) for i in source) else math.nan
        for source in sources
    ]


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
