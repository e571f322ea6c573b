"""The bootstrap behind every interval: resample clusters, add up their sufficient statistics, apply the metric's formula to the sums."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.scoring import Scored

Array = NDArray[np.float64]
Sums = Mapping[str, Array]
"""Name -> summed statistic, shape (..., bins or nothing): the leading axis, if there is one, runs over resamples."""

Formula = Callable[[Sums], Array]
"""A metric as a function of sums; NaN where it is undefined. Vectorised over the leading axis."""

RESAMPLES = 10_000
LEVEL = 0.95
MIN_SPEAKERS = 10
"""From this effective number of speakers up, resampling is over speakers; below, over utterances."""

MIN_CLUSTERS = 5
"""Fewer clusters than this give no interval: their resamples are too few different ones."""

FEW_CLUSTERS = f"no interval: fewer than {MIN_CLUSTERS} clusters"
UNDEFINED = "no interval: undefined in too many resamples"
NO_VARIATION = "no interval: the same in every resample, as where an event was never seen"

_CHUNK_ENTRIES = 2_000_000
_KEPT_ENTRIES = 100_000_000


@dataclass(frozen=True, slots=True)
class Clusters:
    """What is resampled as a whole.

    Attributes:
        index: int64, shape (num_utterances,), the cluster of each utterance, in [0, count).
        count: number of clusters.
        kind: "speaker": intervals speak for new speakers of this kind; "utterance": for new utterances of these same speakers.
    """

    index: NDArray[np.int64]
    count: int
    kind: str


def cluster_by(speaker: NDArray[np.str_], utterance: NDArray[np.str_]) -> Clusters:
    """Cluster by speaker where there are effectively `MIN_SPEAKERS` or more (`effective_number` of their utterances), else by utterance.

    The same utterance in several conditions is one cluster, so that statistics of different conditions are resampled together (paired).
    Utterances of an unknown speaker ("") are their own clusters. Clusters are numbered in sorted order: the order of rows does not matter.
    """
    if effective_number(np.unique(speaker[speaker != ""], return_counts=True)[1]) >= MIN_SPEAKERS:
        names = np.where(speaker != "", np.char.add("s:", speaker), np.char.add("u:", utterance))
        kind = "speaker"
    else:
        names, kind = utterance, "utterance"
    unique, index = np.unique(names, return_inverse=True)
    return Clusters(index.astype(np.int64), len(unique), kind)


def effective_number(sizes: NDArray[np.generic]) -> float:
    """Return how many clusters of equal size would tell as much as clusters of these sizes (Kish 1965); 0 without any.

    >>> effective_number(np.array([10, 10, 10])), round(effective_number(np.array([90, 5, 5])), 2)
    (3.0, 1.23)
    """
    sizes = np.asarray(sizes, np.float64)
    return float(sizes.sum() ** 2 / np.sum(sizes**2)) if sizes.any() else 0.0


def clusters_of(scored: Scored) -> Clusters:
    """Cluster scored utterances: see `cluster_by`."""
    return cluster_by(scored.speaker, scored.utterance)


@dataclass(frozen=True, slots=True)
class Resampled:
    """Sums over all utterances and over each resample.

    Attributes:
        total: name -> shape () or (bins,).
        samples: name -> shape (num_resamples,) or (num_resamples, bins); empty mapping where there are too few clusters.
    """

    total: Sums
    samples: Sums

    def interval(self, formula: Formula, *, level: float = LEVEL, around: float | None = None) -> tuple[float, float] | None:
        """Return the percentile interval of `formula`, None where it is undefined in more than 1 % of the resamples or there are none.

        `around`, the value on the data, shifts the interval by the bootstrap's estimate of its own bias: for statistics like the
        calibration error, which a resample inflates because it adds noise to every bin (Efron & Tibshirani 1993, ch. 10).
        """
        if not self.samples:
            return None
        return percentile_interval(formula(self.samples), level=level, around=around)


def percentile_interval(samples: Array, *, level: float = LEVEL, around: float | None = None) -> tuple[float, float] | None:
    """Return the central `level` of `samples`; None where more than 1 % of them are undefined (NaN).

    `around`: the value on the data itself; given, both ends are shifted by (`around` - mean of the samples).
    """
    defined = samples[np.isfinite(samples)]
    if len(defined) < 0.99 * len(samples) or not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    shift = 0.0 if around is None else around - float(defined.mean())
    return float(low + shift), float(high + shift)


def resample(statistics: Mapping[str, NDArray[np.generic]], clusters: Clusters, *, resamples: int = RESAMPLES, seed: int = 0) -> Resampled:
    """Resample clusters with replacement and add up their statistics.

    Args:
        statistics: name -> shape (num_utterances,) or (num_utterances, bins); what adds over utterances.
        clusters: what to resample.
        resamples: how many.
        seed: the draws depend on it and on the number of clusters only, so that two calls over the same clusters are paired.

    Cost: one matrix product of (resamples x clusters) counts, made in chunks of about 16 MB, with the (clusters x statistics) sums.
    """
    blocks = {name: np.asarray(values[:, None] if values.ndim == 1 else values, np.float64) for name, values in statistics.items()}
    matrix = np.concatenate([sum_by_cluster(block, clusters) for block in blocks.values()], axis=1)
    total = matrix.sum(axis=0)
    out = np.empty((resamples if clusters.count >= MIN_CLUSTERS else 0, matrix.shape[1]))
    start = 0
    for counts in _counts(clusters.count, len(out), seed):
        out[start : start + len(counts)] = counts.astype(np.float64) @ matrix
        start += len(counts)
    totals: dict[str, Array] = {}
    samples: dict[str, Array] = {}
    at = 0
    for name, block in blocks.items():
        width = block.shape[1]
        flat = np.ndim(statistics[name]) == 1
        totals[name] = total[at] if flat else total[at : at + width]
        if len(out):
            samples[name] = out[:, at] if flat else out[:, at : at + width]
        at += width
    return Resampled(totals, samples)


def _counts(clusters: int, resamples: int, seed: int) -> Iterable[NDArray[np.uint8]]:
    """Yield how often each cluster is drawn, a row a resample, in chunks of some rows.

    Small enough, they are kept: tables of one result share them. With over 255 clusters, none is ever drawn 256 times.
    """
    if clusters * resamples <= _KEPT_ENTRIES:
        return _kept_counts(clusters, resamples, seed)
    return _drawn_counts(clusters, resamples, seed)


@lru_cache(maxsize=2)
def _kept_counts(clusters: int, resamples: int, seed: int) -> list[NDArray[np.uint8]]:
    return list(_drawn_counts(clusters, resamples, seed))


def _drawn_counts(clusters: int, resamples: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK_ENTRIES // max(1, clusters))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(0, clusters, (rows, clusters))
        drawn += np.arange(0, rows * clusters, clusters)[:, None]  # each resample counts in places of its own
        yield np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.uint8)


def sum_by_cluster(values: Array, clusters: Clusters) -> Array:
    """Add up the rows of `values` (num_utterances, k) cluster by cluster: shape (count, k)."""
    out = np.empty((clusters.count, values.shape[1]))
    for k, column in enumerate(values.T):
        out[:, k] = np.bincount(clusters.index, weights=column, minlength=clusters.count)
    return out


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide, NaN where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, np.nan, numerator / np.where(denominator == 0, 1, denominator))
