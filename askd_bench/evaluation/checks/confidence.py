"""Do confidences follow from one distribution a token? What a softmax can give at several temperatures, no one invents by hand.

With beta = 1/T, the log-probability of a token with logit z is f(beta) = beta z - log sum exp(beta z_i): concave in beta, and rising where
the token is the likeliest. The entropy at beta = 1 is f'(1) - f(1), so that it lies between what the slopes on either side give.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from askd_bench.signature import Signature
from askd_bench.types import Row

_ROUNDED = 2e-5
"""What five digits and float32 leave open."""

_LEAST_ODDS = 2e-3
"""A log-probability nearer to 0 has too few digits to tell the odds against it."""

_LOG_VOCABULARIES = (3.0, 14.0)
"""Of twenty letters; of a million pieces of words."""

_SURE = 0.05
"""Below this normalised entropy, rounding leaves too much open."""


def confidence_problems(signature: Signature, rows: Sequence[Row]) -> Iterator[str]:
    """Yield what is wrong with the confidences of rows that our own decoders made."""
    greedy = signature.model.decoding.get("num_beams", 1) == 1
    grids = {tuple(row.tempered_logprobs) for row in rows if row.tempered_logprobs}
    if len(grids) > 1:
        yield f"rows have {len(grids)} different grids of temperatures"
    bounds: list[tuple[Row, float, float]] = []
    for row in rows:
        if not row.token_logprobs or not row.word_tokens:
            continue
        where = f"{row.condition}, {row.utterance}"
        if grids and not row.tempered_logprobs:
            yield f"{where}: no log-probabilities at temperatures, where other rows have them"
        if not _fit_words(row):
            yield f"{where}: a word's confidence is not that of its least certain token"
        if not row.tempered_logprobs or not row.token_entropies:
            continue
        beta, values = _curves(row)
        slopes = np.diff(values, axis=0) / np.diff(beta)[:, None]
        slack = (2 * _ROUNDED / np.diff(beta))[:, None]
        if greedy and not row.long_form and np.any(slopes < -slack):
            yield f"{where}: a token that was chosen as the likeliest grows less likely as the temperature falls"
        if np.any(slopes[1:] - slopes[:-1] > slack[1:] + slack[:-1]):
            yield f"{where}: log-probabilities at different temperatures are of no one distribution"
        if not _fit_the_rest(beta, values):
            yield f"{where}: log-probabilities leave the other tokens no logits at all temperatures"
        if (bound := _log_vocabulary(row, beta, slopes, slack)) is not None:
            bounds.append((row, *bound))
    yield from _entropy_problems(bounds)


def _fit_words(row: Row) -> bool:
    at = 0
    for word, size in zip(row.words, row.word_tokens, strict=True):
        own = row.token_logprobs[at : at + size]
        at += size
        if own and (word.confidence is None or abs(word.confidence - float(np.exp(min(own)))) > _ROUNDED):
            return False
    return True


def _curves(row: Row) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 1/temperature, ascending, and the log-probabilities there, shape (temperatures, tokens)."""
    curves = sorted([*((1 / t, values) for t, values in row.tempered_logprobs.items() if t > 0 and t != 1), (1.0, row.token_logprobs)])
    return np.array([beta for beta, _ in curves]), np.array([values for _, values in curves], np.float64)


def _fit_the_rest(beta: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    """Say whether the other tokens can have logits, d_i lower: ((1 - p) / p)^(1/beta) is a beta-norm of exp(-d_i), and falls with beta."""
    known = np.where(values < -_LEAST_ODDS, values, np.nan)
    odds = np.log(np.expm1(-known)) / beta[:, None]
    slack = 2 * _ROUNDED / -np.expm1(known) / beta[:, None]
    return not np.any(np.diff(odds, axis=0) > slack[1:] + slack[:-1])


def _log_vocabulary(
    row: Row, beta: NDArray[np.float64], slopes: NDArray[np.float64], slack: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return between which values the logarithm of the vocabulary's size must lie, by the entropies of one row; None where none says it."""
    at = int(np.searchsorted(beta, 1.0))
    entropy = np.array(row.token_entropies)
    sure = entropy > _SURE
    if not sure.any() or not 0 < at < len(beta) - 1:
        return None
    surprise = -np.array(row.token_logprobs)
    low = (surprise + slopes[at] - slack[at] - _ROUNDED)[sure] / (entropy[sure] + _ROUNDED)
    high = (surprise + slopes[at - 1] + slack[at - 1] + _ROUNDED)[sure] / (entropy[sure] - _ROUNDED)
    return float(low.max()), float(high.min())


def _entropy_problems(bounds: Sequence[tuple[Row, float, float]]) -> Iterator[str]:
    """All entropies are divided by the logarithm of one vocabulary's size: take the value that most rows allow, and name the others."""
    if not bounds:
        return
    tried = np.unique(np.clip([low for _, low, _ in bounds], *_LOG_VOCABULARIES))
    lows, highs = (np.sort([bound[k] for bound in bounds]) for k in (1, 2))
    allowed = np.searchsorted(lows, tried, side="right") - np.searchsorted(highs, tried, side="left")
    vocabulary = tried[int(np.argmax(allowed))]
    for row, low, high in bounds:
        if not low <= vocabulary <= high:
            yield f"{row.condition}, {row.utterance}: entropies are not those of the log-probabilities"
