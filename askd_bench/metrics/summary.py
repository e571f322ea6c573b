"""All figures of a result as one JSON-ready dict: per condition and pooled, each with interval, n, and the reason where it is null."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from askd_bench.metrics import calibration, hallucination, speed, word_errors
from askd_bench.metrics.bootstrap import LEVEL, RESAMPLES, Clusters, clusters_of, resample
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION
from askd_bench.metrics.metric import Metric, Statistics
from askd_bench.metrics.scoring import Scored, score
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS
from askd_bench.types import Row

BINNED_RESAMPLES = 2_000
"""Resamples for calibration, whose statistics are about 400 columns wide: the ends of the interval are then good to 3 % of its width."""

POOLED = "pooled"


def summarise(
    rows: Iterable[Row],
    *,
    normalizer: str = DEFAULT_NORMALISER,
    aggregation: str = DEFAULT_AGGREGATION,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the summary of a result's rows; streaming, so `rows` may be a generator over a file of any size.

    What is reported are the "test" utterances; "dev" ones serve to fit the temperature. With dev utterances only, these are reported and
    `split` says "dev": such figures are for choosing settings, not for claims.

    Raises:
        UserError: unknown normaliser or aggregation; an utterance that occurs twice in a condition.
    """
    return summarise_scored(
        score(rows, normalizer=normalizer, aggregation=aggregation), aggregation=aggregation, resamples=resamples, seed=seed
    )


def summarise_scored(
    scored: Scored, *, aggregation: str = DEFAULT_AGGREGATION, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Do the same from scored rows."""
    has_test = bool(np.any(~scored.dev))
    reported = scored.select(~scored.dev) if has_test else scored
    clusters = clusters_of(reported)
    conditions = [str(name) for name in np.unique(reported.condition)]
    options = {"resamples": resamples, "seed": seed}
    return {
        "normalizer": {"name": scored.normalizer, "version": NORMALISERS[scored.normalizer]},
        "word_confidence": aggregation,
        "split": "test" if has_test else "dev",
        "intervals": {
            "level": LEVEL,
            "resamples": resamples,
            "binned_resamples": min(resamples, BINNED_RESAMPLES),
            "seed": seed,
            "resampled": clusters.kind,
            "clusters": clusters.count,
            "speaks_for": "new speakers of this kind" if clusters.kind == "speaker" else "new utterances of these speakers",
        },
        "conditions": {name: _table(reported, reported.condition == name, clusters, **options) for name in conditions},
        POOLED: _table(reported, np.ones(len(reported), np.bool_), clusters, **options),
    }


def _table(scored: Scored, keep: np.ndarray[Any, np.dtype[np.bool_]], clusters: Clusters, *, resamples: int, seed: int) -> dict[str, Any]:
    part = scored.select(keep)
    mine = Clusters(clusters.index[keep], clusters.count, clusters.kind)
    counts = word_errors.word_counts(part)
    metrics: dict[str, Any] = {}
    plain = {**word_errors.statistics(part), **hallucination.statistics(part), **speed.statistics(part)}
    metrics |= _estimates((*word_errors.METRICS, *hallucination.METRICS, *speed.METRICS), plain, mine, resamples=resamples, seed=seed)
    for level in calibration.LEVELS:
        metrics |= _estimates(
            calibration.metrics(level), calibration.statistics(part, level), mine, resamples=min(resamples, BINNED_RESAMPLES), seed=seed
        )
    return {
        "n_utterances": len(part),
        "n_errors": int(part.failed.sum()),
        "audio_s": round(float(part.duration_s.sum()), 3),
        "counts": {
            "reference_words": counts.reference_length,
            "hits": counts.hits,
            "substitutions": counts.substitutions,
            "deletions": counts.deletions,
            "insertions": counts.insertions,
        },
        "batch": speed.batches(part),
        "metrics": metrics,
    }


def _estimates(metrics: Sequence[Metric], statistics: Statistics, clusters: Clusters, *, resamples: int, seed: int) -> dict[str, Any]:
    resampled = resample(statistics, clusters, resamples=resamples, seed=seed)
    return {metric.name: metric.estimate(resampled).as_dict() for metric in metrics}
