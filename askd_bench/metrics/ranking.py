"""Which models can be told apart: ranks as ranges, and groups of models that share one.

Conventions, as in the rankings of the WMT shared tasks:
    - Each pair of models has a Holm-adjusted p-value of its difference. A model's rank ranges from 1 + the number of models significantly
      better than it to the number of models minus those significantly worse.
    - Sorted by error rate, a new group begins where every model above differs significantly from every model below.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Array
from askd_bench.metrics.metric import Quantity
from askd_bench.metrics.significance import ALPHA, holm, mapsswe
from askd_bench.metrics.systems import Aligned

RANK = Quantity(
    name="rank",
    meaning="by WER over all conditions; a range where models cannot be told apart: from 1 + the number of models significantly better to "
    "the number of models minus those significantly worse (MAPSSWE on the same clips, Holm-corrected over all pairs)",
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


def rank_systems(aligned: Aligned, names: Sequence[str], *, alpha: float = ALPHA) -> list[Rank]:
    """Rank the systems of `aligned` by pooled WER over the utterances all of them transcribed, pairs tested by MAPSSWE, Holm over pairs.

    Args:
        aligned: the systems on common references, see `askd_bench.metrics.systems.align_systems`.
        names: of the systems, in their order.
        alpha: significance level of the corrected p-values.

    Raises:
        UserError: as many names as systems are needed; no reference words.
    """
    if len(names) != len(aligned.systems):
        raise UserError(f"names: {len(names)} for {len(aligned.systems)} systems; one each is needed")
    used = aligned.done
    words = int((aligned.reference_words * used).sum())
    if not words:
        raise UserError("aligned: no reference words that every system transcribed; at least one is needed")
    rates = [int((aligned.errors(k) * used).sum()) / words for k in range(len(names))]
    return ranking_groups(names, rates, pairwise_p(aligned), alpha=alpha)


def pairwise_p(aligned: Aligned) -> Array:
    """Return MAPSSWE's p-value of every pair of systems over the utterances all of them transcribed, Holm-adjusted over the pairs.

    Returns:
        float64, shape (num_systems, num_systems), symmetric; 1 where there is no test, as for two systems with equal errors everywhere.
    """
    n = len(aligned.systems)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    adjusted = holm([mapsswe(aligned, a=i, b=j, keep=aligned.done).p for i, j in pairs])
    p_values = np.ones((n, n))
    for (i, j), p in zip(pairs, adjusted, strict=True):
        p_values[i, j] = p_values[j, i] = 1.0 if p is None else p
    return p_values


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
