"""The leaderboard's figures of one model over a pool, and of a student beside its teacher."""

from collections.abc import Iterable, Mapping

import numpy as np

from askd_bench.metrics import inheritance
from askd_bench.metrics.bootstrap import RESAMPLES, Sums, resample
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.loop_free import CAPPED_MEAN, WER_CAPPED
from askd_bench.metrics.metric import Metric, ratio_of
from askd_bench.metrics.ranking import Leverage, Rank, leverage, rank_systems
from askd_bench.metrics.significance import paired_difference
from askd_bench.metrics.summary import BINNED_RESAMPLES
from askd_bench.metrics.summary import METRICS as ALL
from askd_bench.report.leaderboard.boards import Arrays
from askd_bench.report.leaderboard.pools import Mask, Pool

FIGURES = (
    "wer",
    "wer_capped",
    "wer_capped_mean",
    "wer_clean",
    "wer_shifted",
    "degradation",
    "ece_clean",
    "ece_shifted",
    "confident_errors_0.7",
    "insertion_rate",
    "hallucination_rate",
    "invented_words_per_minute",
    "rtfx",
)
"""Metrics as in summaries; `_clean`: in baseline conditions only, `_shifted`: in all others; degradation is pooled over these."""

TEACHING = (
    "wer_minus_teacher",
    "inherited",
    "changed_share",
    "mended_share",
    "new_errors",
    "inherited_expected",
    "inheritance_excess",
    "inheritance_floor",
    "inheritance_beyond",
    "confident_inheritance_excess",
    "inherited_vs_control",
)
"""A student beside its teacher: see `askd_bench.metrics.inheritance`."""

_METRICS = {metric.name: metric for metric in (*ALL, WER_CAPPED)}
_MEAN_CAPPED = CAPPED_MEAN.measured(
    count="reference_words",
    formula=ratio_of("weighted_errors", "weighted_words"),
    needs=(("reference_words", 1, "no reference words"),),
)


def figures(pool: Pool, model: str) -> Mapping[str, Estimate]:
    """Return `FIGURES` of one of the pool's models."""
    of_model = pool.statistics(model)
    plain = {**of_model.plain, "all_timed": _all_timed(of_model.plain)}
    shifted = ~pool.clean
    out = _estimates(pool, ("wer", "wer_capped", "insertion_rate", "hallucination_rate", "invented_words_per_minute", "rtfx"), plain)
    weighted = {
        "reference_words": plain["reference_words"],
        "weighted_errors": np.asarray(plain["capped_errors"], np.float64) * pool.weights,
        "weighted_words": np.asarray(plain["reference_words"], np.float64) * pool.weights,
    }
    out |= {"wer_capped_mean": _MEAN_CAPPED.estimate(resample(weighted, pool.clusters, resamples=RESAMPLES))}
    for suffix, where in (("clean", pool.clean), ("shifted", shifted)):
        out |= {f"{name}_{suffix}": one for name, one in _estimates(pool, ("wer",), plain, where).items()}
        out |= {f"{name}_{suffix}": one for name, one in _estimates(pool, ("ece",), of_model.words, where, BINNED_RESAMPLES).items()}
    out |= _estimates(pool, ("confident_errors_0.7",), of_model.words, resamples=BINNED_RESAMPLES)
    nothing = Estimate.absent("no condition besides the baseline")
    out |= _estimates(pool, ("degradation",), of_model.degraded) if of_model.degraded else {"degradation": nothing}
    return {name: out[name] for name in FIGURES}


def floor(pool: Pool, *, teacher: str, unrelated: Iterable[str]) -> Sums:
    """Return what those of `unrelated` that are in the pool share with a teacher they have nothing to do with."""
    others = [k for k, name in enumerate(pool.models) if name in set(unrelated)]
    return inheritance.floor(pool.aligned, others, teacher=pool.models.index(teacher))


def teaching(pool: Pool, *, student: str, teacher: str, control: str | None, unrelated: Sums) -> Mapping[str, Estimate]:
    """Return `TEACHING` of a student of the pool, whose teacher is in it too; against the control where that is in it.

    `unrelated`: the `floor` of that teacher.
    """
    aligned, at = pool.aligned, pool.models.index
    has_control = control in pool.models
    estimates = inheritance.estimates(
        aligned,
        pool.clusters,
        student=at(student),
        teacher=at(teacher),
        control=at(str(control)) if has_control else None,
        unrelated=unrelated,
        resamples=RESAMPLES,
    )
    used = aligned.done
    mine, theirs = (aligned.errors(at(name)) * used for name in (student, teacher))
    difference = paired_difference(mine, theirs, aligned.reference_words * used, pool.clusters).difference
    absent = {} if has_control else {"inherited_vs_control": Estimate.absent("no control")}
    out = {**estimates, **absent, "wer_minus_teacher": difference}
    return {name: out[name] for name in TEACHING}


def ranks(pool: Pool) -> list[Rank]:
    """Return the pool's models from best to worst with the ranks they may have; empty where nothing is said."""
    if not _spoken(pool):
        return []
    return rank_systems(pool.aligned, pool.models, clusters=pool.clusters, weights=pool.weights)


def decisive(pool: Pool) -> Leverage | None:
    """Return the recording on which places depend most; None where there is none."""
    return leverage(pool.aligned, pool.models, weights=pool.weights) if _spoken(pool) else None


def _spoken(pool: Pool) -> bool:
    return bool((pool.aligned.reference_words * pool.aligned.done).any())


def by_condition(pool: Pool, model: str) -> Mapping[str, Mapping[str, float | None]]:
    """Return condition -> WER and hallucination rate of a pool of one board, without intervals (each summary has them)."""
    [board] = pool.boards
    statistics = board.statistics[model].plain
    out = {}
    for condition in board.conditions:
        total = resample(_masked(statistics, board.aligned.condition == condition), pool.clusters, resamples=0)
        out[condition] = {name: _METRICS[name].estimate(total).value for name in ("wer", "hallucination_rate")}
    return out


def _all_timed(statistics: Arrays) -> Mask:
    """Say again, over the whole pool, whether every decoded utterance has a timing."""
    timed: Mask = statistics["timed"].astype(np.bool_)
    return timed if timed.sum() == statistics["done"].sum() else np.zeros_like(timed)


def _estimates(
    pool: Pool, names: Iterable[str], statistics: Arrays, where: Mask | None = None, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    metrics: list[Metric] = [_METRICS[name] for name in names]
    resampled = resample(statistics if where is None else _masked(statistics, where), pool.clusters, resamples=resamples)
    return {metric.name: metric.estimate(resampled) for metric in metrics}


def _masked(statistics: Arrays, where: Mask) -> Arrays:
    return {name: values * (where if values.ndim == 1 else where[:, None]) for name, values in statistics.items()}
