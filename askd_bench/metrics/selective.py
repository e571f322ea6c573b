r"""Can the confidence tell right from wrong: ranking of items, whatever the scale of the confidences.

Conventions:
    - Items as in `calibration`: words, tokens or utterances with a confidence; an item is correct or wrong.
    - AUROC: probability that a correct item has a higher confidence than a wrong one, ties counting half.
    - AUPR of errors: average precision with errors as the positive class and low confidence as their score, $\sum_k (R_k - R_{k-1}) P_k$
      over distinct thresholds, as scikit-learn's `average_precision_score`. Its chance level is the error rate, shown beside it.
    - Risk-coverage: risk at coverage $k/n$ = share of wrong items among the $k$ most confident (Geifman & El-Yaniv 2017).
      AURC = mean of that risk over $k = 1..n$; E-AURC = AURC minus that of a perfect ranking with as many errors (Geifman, Uziel & El-Yaniv
      2019; they approximate the optimum by $r + (1-r)\ln(1-r)$, we add it up). Equal confidences: the expectation over their random order,
      so that the order of rows cannot matter.
    - A strictly increasing transform of the confidences (a temperature on the items' own scale) changes none of these.
    - Values are exact; their intervals come from a bootstrap of 30 equal-mass bins, shifted onto the value.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import Array, Resampled, Sums, ratio
from askd_bench.metrics.calibration import LEVELS, Level, items_of
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.metric import Metric
from askd_bench.metrics.scoring import Scored


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Points of a risk-coverage curve: share of items kept, and the share of wrong ones among them, ascending in coverage."""

    coverage: Array
    risk: Array


def grouped(confidence: Array, correct: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return (items, wrong items) of each distinct confidence, ascending in confidence; shape (groups,) each."""
    _, index = np.unique(confidence, return_inverse=True)
    count = np.bincount(index).astype(np.float64)
    return count, count - np.bincount(index, weights=correct, minlength=len(count))


def auroc(confidence: Array, correct: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve, None where only one class is present.

    >>> auroc(np.array([0.2, 0.6, 0.6, 0.9]), np.array([False, True, False, True]))
    0.875
    """
    return _value(auroc_of(*grouped(confidence, correct)))


def error_average_precision(confidence: Array, correct: NDArray[np.bool_]) -> float | None:
    """Return the average precision of finding errors by low confidence, None where only one class is present."""
    return _value(error_average_precision_of(*grouped(confidence, correct)))


def aurc(confidence: Array, correct: NDArray[np.bool_]) -> float | None:
    """Return the area under the risk-coverage curve, None without items.

    >>> round(aurc(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), 6)  # (0/1 + 1/2 + 1/3) / 3
    0.277778
    """
    return _value(aurc_of(*grouped(confidence, correct)))


def excess_aurc(confidence: Array, correct: NDArray[np.bool_]) -> float | None:
    """Return AURC minus the least possible with as many errors, None without items."""
    return _value(excess_aurc_of(*grouped(confidence, correct)))


def risk_coverage(confidence: Array, correct: NDArray[np.bool_], *, points: int = 100) -> RiskCoverage:
    """Return about `points` points of the risk-coverage curve, at equal steps of coverage up to 1."""
    count, wrong = (values[::-1] for values in grouped(confidence, correct))
    n = int(count.sum())
    if not n:
        return RiskCoverage(np.empty(0), np.empty(0))
    kept = np.unique(np.ceil(np.linspace(0, n, points + 1)[1:]))
    ends = np.concatenate([[0.0], np.cumsum(count)])
    risk = np.interp(kept, ends, np.concatenate([[0.0], np.cumsum(wrong)])) / kept
    return RiskCoverage(kept / n, risk)


def auroc_of(count: Array, wrong: Array) -> Array:
    """Return AUROC from groups of tied items, ascending in confidence; (..., groups) in, (...) out, NaN where one class is missing."""
    correct = count - wrong
    above = np.cumsum(correct[..., ::-1], axis=-1)[..., ::-1] - correct
    return ratio((wrong * (above + correct / 2)).sum(axis=-1), wrong.sum(axis=-1) * correct.sum(axis=-1))


def error_average_precision_of(count: Array, wrong: Array) -> Array:
    """Return the average precision of errors from groups, ascending in confidence; NaN where one class is missing."""
    total = wrong.sum(axis=-1)
    precision = ratio(np.cumsum(wrong, axis=-1), np.cumsum(count, axis=-1))
    value = ratio((np.nan_to_num(precision) * wrong).sum(axis=-1), total)
    return np.where(total == count.sum(axis=-1), np.nan, value)


def aurc_of(count: Array, wrong: Array) -> Array:
    r"""Return AURC from groups of tied items, ascending in confidence.

    In a group of $m$ items, $e$ of them wrong, after $k$ items with $E$ errors, the expected risk sums to
    $\sum_{j=1}^m (E + je/m) / (k + j) = e + (E - ke/m)(H_{k+m} - H_k)$ with harmonic numbers $H$.
    """
    count, wrong = count[..., ::-1], wrong[..., ::-1]
    end = np.cumsum(count, axis=-1)
    start = end - count
    before = np.cumsum(wrong, axis=-1) - wrong
    slope = wrong / np.maximum(count, 1)
    steps = _harmonic_difference(start, end)
    return ratio((wrong + (before - start * slope) * steps).sum(axis=-1), count.sum(axis=-1))


def excess_aurc_of(count: Array, wrong: Array) -> Array:
    r"""Return E-AURC from groups: the optimum has all $c$ correct items first, $\frac{1}{n}\sum_{k>c} (k - c)/k$."""
    n = count.sum(axis=-1)
    errors = wrong.sum(axis=-1)
    best = ratio(errors - (n - errors) * _harmonic_difference(n - errors, n), n)
    return np.maximum(aurc_of(count, wrong) - best, 0.0)


def _harmonic_difference(start: Array, end: Array) -> Array:
    """Return 1/(start+1) + ... + 1/end for whole numbers."""
    table = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(np.max(end, initial=0)) + 1))])
    whole: Array = table[np.rint(end).astype(np.int64)] - table[np.rint(start).astype(np.int64)]
    return whole


def metrics(level: Level) -> tuple[Metric, ...]:
    """Return the metrics of one level, on the statistics of `calibration`; words have plain names."""
    prefix, before = ("", "") if level == "word" else (f"{level}_", f"{level} ")
    items = f"{level}_items"
    needs = (
        (items, 1, f"no {level} confidences: the model or its runtime gives none"),
        (f"{level}_correct", 1, f"one class only: no {level} is correct"),
        (f"{level}_wrong", 1, f"one class only: every {level} is correct"),
    )

    def fine(sums: Sums) -> tuple[Array, Array]:
        return sums[f"{level}_mass_count"], sums[f"{level}_mass_count"] - sums[f"{level}_mass_correct"]

    return (
        Metric(
            name=f"{prefix}auroc",
            label=f"{before}AUROC",
            digits=3,
            meaning=f"probability that a correct {level} is more confident than a wrong one",
            unit="probability",
            better="higher",
            count=items,
            formula=lambda sums: auroc_of(*fine(sums)),
            needs=needs,
            bounds=(0.0, 1.0),
        ),
        Metric(
            name=f"{prefix}aupr_errors",
            label=f"{before}AUPR",
            digits=3,
            meaning=f"average precision of finding wrong {level}s by low confidence",
            unit="precision",
            better="higher",
            count=items,
            formula=lambda sums: error_average_precision_of(*fine(sums)),
            needs=needs,
            bounds=(0.0, 1.0),
        ),
        Metric(
            name=f"{prefix}aurc",
            label=f"{before}AURC",
            digits=3,
            meaning=f"area under the risk-coverage curve of {level}s",
            unit=f"share of wrong {level}s",
            better="lower",
            count=items,
            formula=lambda sums: aurc_of(*fine(sums)),
            needs=needs[:1],
            bounds=(0.0, 1.0),
        ),
        Metric(
            name=f"{prefix}excess_aurc",
            label=f"{before}excess AURC",
            digits=3,
            meaning="AURC minus that of a perfect ranking with as many errors",
            unit=f"share of wrong {level}s",
            better="lower",
            count=items,
            formula=lambda sums: excess_aurc_of(*fine(sums)),
            needs=needs[:1],
            bounds=(0.0, 1.0),
        ),
    )


METRICS = tuple(metric for level in LEVELS for metric in metrics(level))


def estimates(scored: Scored, level: Level, resampled: Resampled) -> dict[str, Estimate]:
    """Return the exact values of that level's metrics with intervals from the resampled bins of `calibration.statistics`."""
    items = items_of(scored, level)
    groups = grouped(items.confidence, items.correct)
    exact = [formula(*groups) for formula in (auroc_of, error_average_precision_of, aurc_of, excess_aurc_of)] if len(items.correct) else []
    values = [_value(x) for x in exact] or [None] * 4
    return {metric.name: metric.estimate(resampled, exact=value) for metric, value in zip(metrics(level), values, strict=True)}


def _value(x: Array) -> float | None:
    return float(x) if np.isfinite(x) else None
