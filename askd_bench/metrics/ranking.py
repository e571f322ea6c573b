"""Which models can be told apart: ranks as ranges, and groups of models that share one.

Conventions, as in the rankings of the WMT shared tasks:
    - Each pair of models has a Holm-adjusted p-value of its difference. A model's rank ranges from 1 + the number of models significantly
      better than it to the number of models minus those significantly worse.
    - The error rate is capped WER, which no loop can carry; pairs are tested by swapped labels (`permutation`).
    - Leverage: places would be others had a single recording been left out; the largest such change is told beside each ranking.
    - Sorted by error rate, a new group begins where every model above differs significantly from every model below.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Array, Clusters, cluster_by, sum_by_cluster
from askd_bench.metrics.metric import Quantity
from askd_bench.metrics.permutation import SWAPS, swap_tests
from askd_bench.metrics.significance import ALPHA, holm
from askd_bench.metrics.systems import Aligned

RANK = Quantity(
    name="rank",
    meaning="by capped WER over all conditions; a range where models cannot be told apart: from 1 + the number of models significantly "
    "better to the number of models minus those significantly worse (labels swapped recording by recording, Holm-corrected over all pairs)",
    unit="rank",
    better="lower",
    digits=0,
)


@dataclass(frozen=True, slots=True)
class Rank:
    """A model's place: the best and the worst rank it may have, and its group (1 is best)."""

    name: str
    best: int
    worst: int
    group: int


@dataclass(frozen=True, slots=True)
class Leverage:
    """The recording that decides most: without it, `model` would stand `places` further up or down."""

    utterance: str
    model: str
    places: int


def rank_systems(
    aligned: Aligned,
    names: Sequence[str],
    *,
    clusters: Clusters | None = None,
    weights: Array | None = None,
    alpha: float = ALPHA,
    swaps: int = SWAPS,
) -> list[Rank]:
    """Rank the systems of `aligned` by capped WER over the utterances all of them transcribed, pairs tested by swapped labels.

    Args:
        aligned: the systems on common references, see `askd_bench.metrics.systems.align_systems`.
        names: of the systems, in their order.
        clusters: what is swapped as a whole; speakers or recordings where none are given.
        weights: of each utterance's errors and words, shape (num_utterances,); 1 where none are given.
        alpha: significance level of the corrected p-values.
        swaps: how many.

    Raises:
        UserError: as many names as systems are needed; no reference words.
    """
    errors, words = _counts(aligned, names, weights)
    rates = errors.sum(axis=0) / words.sum()
    return ranking_groups(names, rates.tolist(), pairwise_p(aligned, clusters=clusters, weights=weights, swaps=swaps), alpha=alpha)


def pairwise_p(aligned: Aligned, *, clusters: Clusters | None = None, weights: Array | None = None, swaps: int = SWAPS) -> Array:
    """Return the p-value of every pair of systems, Holm-adjusted over the pairs; arguments as for `rank_systems`.

    Returns:
        float64, shape (num_systems, num_systems), symmetric.
    """
    errors, _ = _counts(aligned, range(len(aligned.systems)), weights)
    p_values = swap_tests(errors, clusters or cluster_by(aligned.speaker, aligned.utterance), swaps=swaps)
    pairs = np.triu_indices(len(p_values), 1)
    p_values[pairs] = holm(p_values[pairs].tolist())
    p_values.T[pairs] = p_values[pairs]
    return p_values


def leverage(aligned: Aligned, names: Sequence[str], *, weights: Array | None = None) -> Leverage | None:
    """Return the recording, with all its renderings, without which some model's place by capped WER would change most.

    None where no place depends on a single recording. Arguments as for `rank_systems`.
    """
    errors, words = _counts(aligned, names, weights)
    recording, index = np.unique(aligned.utterance, return_inverse=True)
    clusters = Clusters(index.astype(np.int64), len(recording), "utterance")
    sums = sum_by_cluster(np.column_stack([errors, words]), clusters)
    rest = sums.sum(axis=0) - sums
    rest = rest[:, :-1] / np.where(rest[:, -1:] > 0, rest[:, -1:], np.nan)
    places = np.argsort(np.argsort(errors.sum(axis=0), kind="stable"), kind="stable")
    moved = np.abs(np.argsort(np.argsort(rest, axis=1, kind="stable"), axis=1, kind="stable") - places)
    at, model = np.unravel_index(int(np.argmax(moved)), moved.shape)
    return Leverage(str(recording[at]), names[int(model)], int(moved[at, model])) if moved[at, model] else None


def _counts(aligned: Aligned, names: Sequence[object], weights: Array | None) -> tuple[Array, Array]:
    """Return weighted capped errors, shape (num_utterances, num_systems), and reference words of what every system transcribed."""
    if len(names) != len(aligned.systems):
        raise UserError(f"names: {len(names)} for {len(aligned.systems)} systems; one each is needed")
    used = aligned.done * (np.ones(len(aligned.utterance)) if weights is None else weights)
    words = aligned.reference_words * used
    if not words.any():
        raise UserError("aligned: no reference words that every system transcribed; at least one is needed")
    return np.stack([aligned.capped_errors(k) * used for k in range(len(names))], axis=1), words


def ranking_groups(names: Sequence[str], error_rates: Sequence[float], p_values: Array, *, alpha: float = ALPHA) -> list[Rank]:
    """Return the models from best to worst.

    Args:
        names: of the models.
        error_rates: lower is better.
        p_values: float, shape (num_models, num_models), symmetric, adjusted for the number of comparisons; NaN where there is no test (then
            the pair cannot be told apart).
        alpha: a pair differs where p < alpha.

    >>> p = np.array([[1, 0.2, 0.001], [0.2, 1, 0.002], [0.001, 0.002, 1]])
    >>> [(rank.name, rank.best, rank.worst, rank.group) for rank in ranking_groups(["a", "b", "c"], [0.10, 0.11, 0.2], p)]
    [('a', 1, 2, 1), ('b', 1, 2, 1), ('c', 3, 3, 2)]

    Raises:
        UserError: shapes do not agree.
    """
    n = len(names)
    if len(error_rates) != n or np.shape(p_values) != (n, n):
        raise UserError(f"p_values: shape {np.shape(p_values)} with {n} names and {len(error_rates)} error_rates; ({n}, {n}) is needed")
    rates = np.asarray(error_rates, np.float64)
    differs = np.nan_to_num(p_values, nan=1.0) < alpha
    order = np.argsort(rates, kind="stable")
    ranks: list[Rank] = []
    group = 1
    for place, i in enumerate(order):
        if place and differs[np.ix_(order[:place], order[place:])].all():
            group += 1
        better = int(np.sum(differs[i] & (rates < rates[i])))
        worse = int(np.sum(differs[i] & (rates > rates[i])))
        ranks.append(Rank(names[i], 1 + better, n - worse, group))
    return ranks
