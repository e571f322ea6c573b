r"""Two systems on the same recordings: would swapping their labels, recording by recording, give as large a difference?

Conventions:
    - Where two systems are alike, which of them made which errors on a recording is a coin's choice. The test swaps the two systems'
      errors on random halves of the clusters, all renderings of a recording together, and $p$ is the share of swaps (one added to both
      counts) with a difference at least as large: exact whatever errors look like, loops included (Fisher 1935). A recording that is
      wrong in every rendering is one observation, not one a rendering.
    - The interval holds the differences that this test does not reject: quantiles of the differences over random halves of the clusters
      ("typical values", Hartigan 1969). So a p-value below .05 and an interval without 0 are the same statement.
    - Weights make corpora of different size count alike: errors and words of an utterance are multiplied by its weight.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import LEVEL, RESAMPLES, Array, Clusters, ratio, sum_by_cluster

SWAPS = 100_000
"""Swaps for a table of many systems, whose p-values are corrected for many pairs and so have to be small."""

_CHUNK = 10_000
_EQUAL = 1e-9
"""Differences closer than this, relative to all errors, are ties: sums of weighted counts are not exact."""


def swap_test(
    differences: NDArray[np.generic],
    words: NDArray[np.generic],
    clusters: Clusters,
    *,
    swaps: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> tuple[float, tuple[float, float], float]:
    """Return the p-value of sum(differences) / sum(words), the interval of the ratio, and its standard error.

    Args:
        differences: shape (num_utterances,), errors of one system minus those of the other.
        words: shape (num_utterances,), reference words; their sum is above 0.
        clusters: what is swapped as a whole.
        swaps: how many.
        seed: of the draws.
        level: of the interval.
    """
    sums = sum_by_cluster(np.stack([differences, words], axis=1).astype(np.float64), clusters)
    # clusters with equal sums are interchangeable: it is enough to draw how many of each kind are swapped
    kinds, counts = np.unique(sums, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    size = max(1, 4_000_000 // len(kinds))
    half = np.concatenate([rng.binomial(counts, 0.5, (min(size, swaps - start), len(kinds))) @ kinds for start in range(0, swaps, size)])
    total = sums.sum(axis=0)
    tie = _EQUAL * float(np.abs(sums[:, 0]).sum())
    as_large = int(np.sum(np.abs(2 * half[:, 0] - total[0]) >= abs(total[0]) - tie))
    typical = np.concatenate([ratio(part[:, 0], part[:, 1]) for part in (half, total - half)])
    typical = typical[np.isfinite(typical)]
    low, high = np.quantile(typical, [(1 - level) / 2, (1 + level) / 2])
    residual = sums[:, 0] - total[0] / total[1] * sums[:, 1]
    return (as_large + 1) / (swaps + 1), (float(low), float(high)), float(np.sqrt(np.sum(residual**2)) / total[1])


def swap_tests(errors: NDArray[np.generic], clusters: Clusters, *, swaps: int = SWAPS, seed: int = 0) -> Array:
    """Return the p-value of every pair of systems, all pairs on the same swaps, not corrected for their number.

    Args:
        errors: shape (num_utterances, num_systems), weighted or not.
        clusters: what is swapped as a whole.
        swaps: how many.
        seed: of the draws.

    Returns:
        float64, shape (num_systems, num_systems), symmetric; 1 on the diagonal.
    """
    sums = sum_by_cluster(np.asarray(errors, np.float64), clusters)
    total = sums.sum(axis=0)
    first, second = np.triu_indices(len(total), 1)
    observed = np.abs(total[first] - total[second]) - _EQUAL * np.array(
        [np.abs(sums[:, a] - sums[:, b]).sum() for a, b in zip(first, second, strict=True)]
    )
    as_large = np.zeros(len(first), np.int64)
    for signs in _signs(clusters.count, swaps, seed):
        swapped = signs @ sums
        for pair, (a, b) in enumerate(zip(first, second, strict=True)):
            as_large[pair] += np.count_nonzero(np.abs(swapped[:, a] - swapped[:, b]) >= observed[pair])
    p_values = np.ones((len(total), len(total)))
    p_values[first, second] = p_values[second, first] = (as_large + 1) / (swaps + 1)
    return p_values


def _signs(clusters: int, swaps: int, seed: int) -> Iterator[Array]:
    rng = np.random.default_rng(seed)
    for start in range(0, swaps, _CHUNK):
        rows = min(_CHUNK, swaps - start)
        bits = np.unpackbits(rng.integers(0, 256, (rows, -(-clusters // 8)), dtype=np.uint8), axis=1, count=clusters)
        yield bits.astype(np.float64) * 2 - 1
