"""All figures of a result as one JSON-ready dict: per condition and pooled, each with interval, n, and the reason where it is null."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.metrics import calibration, confident_errors, hallucination, loop_free, robustness, selective, speed, word_errors
from askd_bench.metrics.bootstrap import LEVEL, RESAMPLES, Clusters, clusters_of, resample
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION
from askd_bench.metrics.estimate import rounded
from askd_bench.metrics.groups import group_table
from askd_bench.metrics.metric import Metric, Statistics
from askd_bench.metrics.others import packaged_estimates
from askd_bench.metrics.scoring import Scored, score
from askd_bench.metrics.srb_difficulty import difficulties
from askd_bench.metrics.temperature import TemperatureFit, at_temperature, fit_temperature, resample_at_fits
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS
from askd_bench.types import Row

BINNED_RESAMPLES = 2_000
"""Resamples for calibration, whose statistics are some hundred columns wide: the ends of the interval are then good to 3 % of its width."""

POOLED = "pooled"
FITTING_RULE = "any temperature between stored ones"
"""How the temperature is fitted; a summary of another rule is of an earlier version."""

METRICS: tuple[Metric, ...] = (
    *word_errors.METRICS,
    loop_free.WER_CAPPED,
    *robustness.METRICS,
    *hallucination.METRICS,
    *calibration.METRICS,
    *confident_errors.METRICS,
    *selective.METRICS,
    *speed.METRICS,
)
"""Every figure of a condition, in the order in which they are listed."""

_CALIBRATED = tuple(
    metric
    for metric in (*calibration.metrics("word"), *confident_errors.METRICS)
    if metric.name in ("ece", "ece_equal_mass", "nll", "overconfidence_gap", "confident_errors_0.7", "confident_substitution_share_0.7")
)
"""What is reported again after temperature scaling."""


def summarise(
    rows: Iterable[Row],
    *,
    normalizer: str = DEFAULT_NORMALISER,
    aggregation: str = DEFAULT_AGGREGATION,
    baseline: str = robustness.CLEAN,
    severities: Mapping[str, Mapping[str, float]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the summary of a result's rows; streaming, so `rows` may be a generator over a file of any size.

    What is reported are the "test" utterances; "dev" ones serve to fit the temperature. With dev utterances only, these are reported and
    `split` says "dev": such figures are for choosing settings, not for claims.

    Args:
        rows: of one result, in any order.
        normalizer: name of the text normaliser.
        aggregation: how a word's confidence follows from its tokens.
        baseline: the condition that degradation is measured against.
        severities: family of conditions -> condition -> severity, for the severity area of each family with two or more different ones
            among the conditions that the rows have: an unfinished run lacks some.
        resamples: of the bootstrap; calibration takes at most `BINNED_RESAMPLES`.
        seed: of the bootstrap.

    Raises:
        UserError: no rows; unknown normaliser or aggregation; an utterance that occurs twice in a condition.
    """
    scored = score(rows, normalizer=normalizer, aggregation=aggregation)
    return summarise_scored(scored, baseline=baseline, severities=severities, resamples=resamples, seed=seed)


def summarise_scored(
    scored: Scored,
    *,
    baseline: str = robustness.CLEAN,
    severities: Mapping[str, Mapping[str, float]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Do the same from scored rows, for those who need both."""
    if not len(scored):
        raise UserError("rows: there are none; at least one is needed")
    has_test = bool(np.any(~scored.dev))
    fit = fit_temperature(scored, resamples=min(resamples, BINNED_RESAMPLES), seed=seed)
    reported = scored.select(~scored.dev) if has_test else scored
    clusters = clusters_of(reported)
    scaling = fit if has_test and fit.temperature is not None else None
    conditions = [str(name) for name in dict.fromkeys(reported.condition)]
    keeps = {name: reported.condition == name for name in conditions}
    options = {"resamples": resamples, "seed": seed}
    tables = {name: _table(reported, keep, clusters, scaling, **options) for name, keep in keeps.items()}
    pooled = _table(reported, np.ones(len(reported), np.bool_), clusters, scaling, **options)
    for name in conditions:
        if name != baseline:
            paired = robustness.statistics(reported, name, clean=baseline)
            tables[name]["metrics"] |= _estimates(robustness.METRICS, paired, clusters, **options)
    degraded = {name: tables[name]["metrics"]["wer"]["value"] for name in conditions if name != baseline}
    return {
        "normalizer": {"name": scored.normalizer, "version": NORMALISERS[scored.normalizer]},
        "word_confidence": scored.aggregation,
        "split": "test" if has_test else "dev",
        "intervals": {
            "level": LEVEL,
            "resamples": resamples,
            "calibration_resamples": min(resamples, BINNED_RESAMPLES),
            "seed": seed,
            "resampled": clusters.kind,
            "clusters": clusters.count,
            "speaks_for": "new speakers of this kind" if clusters.kind == "speaker" else "new utterances of these speakers",
        },
        "temperature_scaling": _fitted(fit, has_test),
        "speech_robust_bench": _speech_robust_bench(tables),
        "worst_condition": robustness.worst_condition(degraded),
        "severity_area": {
            family: robustness.severity_area(reported, axis, clusters, **options).as_dict()
            for family, axis in _axes(severities or {}, conditions).items()
        },
        "groups": _groups(reported, keeps, resamples=min(resamples, BINNED_RESAMPLES), seed=seed),
        "conditions": tables,
        POOLED: pooled,
    }


def _axes(severities: Mapping[str, Mapping[str, float]], conditions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the families that are an axis: two or more of their conditions are there, no two of them equally severe."""
    there = {family: {name: at for name, at in axis.items() if name in conditions} for family, axis in severities.items()}
    return {family: axis for family, axis in there.items() if len(set(axis.values())) == len(axis) > 1}


def is_current(summary: Mapping[str, Any]) -> bool:
    """Return whether a stored summary has every figure of today: one that an earlier version wrote may lack some."""
    stored: Mapping[str, Any] = summary[POOLED]["metrics"]
    wanted = {metric.name for metric in METRICS if metric not in robustness.METRICS}
    return wanted <= stored.keys() and scales_alike(summary)


def scales_alike(summary: Mapping[str, Any]) -> bool:
    """Return whether its temperature was fitted as it would be today; an earlier version chose one of those that rows store."""
    return bool(summary["temperature_scaling"].get("rule") == FITTING_RULE)


def without_scaling(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary without its temperature and what follows from it."""

    def unscaled(table: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in table.items() if key != "after_temperature_scaling"}

    kept = {key: value for key, value in summary.items() if key != "temperature_scaling"}
    return kept | {"conditions": {name: unscaled(table) for name, table in kept["conditions"].items()}, POOLED: unscaled(kept[POOLED])}


def _fitted(fit: TemperatureFit, has_test: bool) -> dict[str, Any]:
    low, high = fit.interval or (None, None)
    return {
        "rule": FITTING_RULE,
        "temperature": fit.temperature,
        "low": rounded(low),
        "high": rounded(high),
        "only_stored": fit.only_stored,
        "dev_words": fit.n,
        "dev_nll": {f"{t:g}": rounded(loss) for t, loss in fit.losses.items()},
        "at_edge_of_grid": fit.at_edge,
        "reason": fit.reason if has_test else "there are only dev utterances: nothing to apply a fit to",
    }


def _table(
    scored: Scored, keep: NDArray[np.bool_], clusters: Clusters, scaling: TemperatureFit | None, *, resamples: int, seed: int
) -> dict[str, Any]:
    part = scored.select(keep)
    mine = Clusters(clusters.index[keep], clusters.count, clusters.kind)
    counts = word_errors.word_counts(part)
    statistics = {**word_errors.statistics(part), **loop_free.capped(part), **hallucination.statistics(part), **speed.statistics(part)}
    plain = (*word_errors.METRICS, loop_free.WER_CAPPED, *hallucination.METRICS, *speed.METRICS)
    metrics = _estimates(plain, statistics, mine, resamples=resamples, seed=seed)
    few = min(resamples, BINNED_RESAMPLES)
    for level in calibration.LEVELS:
        resampled = resample(calibration.statistics(part, level), mine, resamples=few, seed=seed)
        metrics |= {metric.name: metric.estimate(resampled).as_dict() for metric in calibration.metrics(level)}
        metrics |= {name: estimate.as_dict() for name, estimate in selective.estimates(part, level, resampled).items()}
    metrics |= _estimates(confident_errors.METRICS, confident_errors.statistics(part), mine, resamples=few, seed=seed)
    metrics |= packaged_estimates(part, mine, resamples=few, seed=seed)
    words = calibration.items_of(part)
    curve = selective.risk_coverage(words.confidence, words.correct, points=20)
    return {
        "n_utterances": len(part),
        "n_errors": int(part.failed.sum()),
        "audio_s": round(float(part.duration_s.sum()), 3),
        "counts": {**asdict(counts), "reference_words": counts.reference_length},
        "batch": speed.batches(part),
        "latency": speed.latency_at_batch_1(part),
        "metrics": metrics,
        "after_temperature_scaling": _calibrated(part, mine, scaling, resamples=few, seed=seed),
        "reliability": [_rounded(asdict(b)) for b in calibration.reliability_curve(words.confidence, words.correct)],
        "risk_coverage": {"coverage": [rounded(x) for x in curve.coverage], "risk": [rounded(x) for x in curve.risk]},
    }


def _speech_robust_bench(tables: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return WERD and NWERD over the conditions that benchmark has too, None where there is none."""
    table = difficulties()
    values = {name: tables[name]["metrics"]["degradation"]["value"] for name in tables if name in table}
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return None
    return {"werd": robustness.werd(known).as_dict(), "nwerd": robustness.nwerd(known, table).as_dict()}


def _groups(scored: Scored, keeps: Mapping[str, NDArray[np.bool_]], *, resamples: int, seed: int) -> dict[str, Any] | None:
    """Return error rates by group, condition by condition; None where the corpus has fewer than two groups."""
    if len(set(scored.group) - {""}) < 2:
        return None
    return {name: group_table(scored.select(keep), resamples=resamples, seed=seed).as_dict() for name, keep in keeps.items()}


def _calibrated(part: Scored, clusters: Clusters, scaling: TemperatureFit | None, *, resamples: int, seed: int) -> dict[str, Any] | None:
    """Return word calibration at the fitted temperature, None where none was fitted (the summary's head says why)."""
    if scaling is None:
        return None

    def statistics(temperature: float) -> Statistics:
        scaled = at_temperature(part, temperature)
        return {**calibration.statistics(scaled), **confident_errors.statistics(scaled)}

    resampled = resample_at_fits(statistics, scaling, clusters, resamples=resamples, seed=seed)
    return {metric.name: metric.estimate(resampled).as_dict() for metric in _CALIBRATED}


def _estimates(metrics: Sequence[Metric], statistics: Statistics, clusters: Clusters, *, resamples: int, seed: int) -> dict[str, Any]:
    resampled = resample(statistics, clusters, resamples=resamples, seed=seed)
    return {metric.name: metric.estimate(resampled).as_dict() for metric in metrics}


def _rounded(values: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    return {key: rounded(value) if isinstance(value, float) else value for key, value in values.items()}
