"""Figures of confidence: reliability diagrams, risk-coverage curves and errors over thresholds, clean against the worst condition."""

from collections.abc import Callable

import numpy as np

from askd_bench.metrics.bootstrap import Array
from askd_bench.metrics.calibration import BINS, CONFIDENT, items_of, reliability_curve
from askd_bench.metrics.confident_errors import error_curve, substitution_curve, substitutions
from askd_bench.metrics.items import Items
from askd_bench.metrics.selective import aurc, risk_coverage
from askd_bench.report.page.charts import FEW_WORDS, Chart, Point, Series, extent_of, slug
from askd_bench.report.page.sections import Entry, Section

_POINTS = 50
_THRESHOLDS = np.arange(_POINTS) / _POINTS


def reliability_charts(section: Section) -> list[Chart]:
    """Return one reliability diagram of words for the baseline and one for the worst condition."""
    return [
        Chart(
            name=slug(section.name, "reliability", condition),
            title=f"Reliability: {condition}",
            caption=(
                f"{section.title}. Words in {BINS} bins of equal width; the larger a mark, the more words it stands for, and no line goes "
                f"through fewer than {FEW_WORDS}. On the diagonal, confidence is what it says; below it, words are wrong more often than "
                "the model believes."
            ),
            kind="reliability",
            x_label="mean confidence of words",
            y_label="share of them right",
            series=series,
            extent=(0.0, 1.0),
            value="share right",
        )
        for condition in _conditions(section)
        if (series := tuple(one for entry in section.entries if (one := _reliability(entry, condition)).points))
    ]


def risk_charts(section: Section) -> list[Chart]:
    """Return one risk-coverage figure of words for the baseline and one for the worst condition, on one scale."""
    drawn = {
        condition: tuple(one for entry in section.entries if (one := _risk(entry, condition)).points) for condition in _conditions(section)
    }
    extent = (0.0, extent_of(series for own in drawn.values() for series in own)[1])
    return [
        Chart(
            name=slug(section.name, "risk-coverage", condition),
            title=f"Risk and coverage: {condition}",
            caption=(
                f"{section.title}. Of the words a model is surest of, how many are wrong. A model that knows when it is wrong starts at 0 "
                "and rises late; one whose curve falls is surest of its errors."
            ),
            kind="curve",
            x_label="share of words kept, surest first, %",
            y_label="wrong among them, %",
            series=series,
            extent=extent,
            value="wrong, %",
        )
        for condition, series in drawn.items()
        if series
    ]


def threshold_charts(section: Section) -> list[Chart]:
    """Return confident errors, and the share of substitutions that are confident, over thresholds: baseline and worst condition."""
    return [*_over_thresholds(section, errors=True), *_over_thresholds(section, errors=False)]


def _over_thresholds(section: Section, *, errors: bool) -> list[Chart]:
    name, title, value = (
        ("confident-errors-by-threshold", "Confident errors by threshold", "wrong words above it, per 100 words")
        if errors
        else ("confident-substitutions-by-threshold", "Confident substitutions by threshold", "substitutions above it, %")
    )
    drawn = {
        condition: tuple(one for entry in section.entries if (one := _threshold_series(entry, condition, errors=errors)).points)
        for condition in _conditions(section)
    }
    extent = (0.0, extent_of(series for own in drawn.values() for series in own)[1])
    why = (
        "Wrong words held with a confidence above each threshold, per 100 words: no one threshold decides which model is more confident."
        if errors
        else "Of 100 words substituted for another, how many have a confidence above each threshold: making more errors does not make a "
        "model more over-confident here."
    )
    return [
        Chart(
            name=slug(section.name, name, condition),
            title=f"{title}: {condition}",
            caption=f"{section.title}. {why}",
            kind="curve",
            x_label="confidence, %",
            y_label=value,
            series=series,
            extent=extent,
            value=value,
        )
        for condition, series in drawn.items()
        if series
    ]


def _threshold_series(entry: Entry, condition: str, *, errors: bool) -> Series:
    words = items_of(entry.under(condition))
    curve: Callable[[Items, Array], Array] = error_curve if errors else substitution_curve
    some = len(words.correct) if errors else int(substitutions(words).sum())
    values = curve(words, _THRESHOLDS) if some else np.empty(0)
    at = f"{curve(words, np.array([CONFIDENT]))[0]:.1f} above {CONFIDENT}" if some else ""
    points = tuple(Point(x=100 * float(x), y=float(y)) for x, y in zip(_THRESHOLDS[: len(values)], values, strict=True))
    return Series(label=entry.name, style=entry.style, points=points, detail=at)


def _conditions(section: Section) -> list[str]:
    """Return the conditions to draw; none where nothing is said, and so no word can be right."""
    said = any((entry.metric(section.baseline, "wer") or {}).get("value") is not None for entry in section.entries)
    return [section.baseline, *([section.worst] if section.worst else [])] if said else []


def _reliability(entry: Entry, condition: str) -> Series:
    items = items_of(entry.under(condition))
    bins = reliability_curve(items.confidence, items.correct)
    ece = (entry.metric(condition, "ece") or {}).get("value")
    return Series(
        label=entry.name,
        style=entry.style,
        points=tuple(
            Point(x=b.mean_confidence, y=b.accuracy, n=b.count) for b in bins if b.mean_confidence is not None and b.accuracy is not None
        ),
        detail="" if ece is None else f"ECE {ece:.3f}",
    )


def _risk(entry: Entry, condition: str) -> Series:
    items = items_of(entry.under(condition))
    curve = risk_coverage(items.confidence, items.correct, points=_POINTS)
    area = aurc(items.confidence, items.correct)
    return Series(
        label=entry.name,
        style=entry.style,
        points=tuple(Point(x=100 * float(x), y=100 * float(y)) for x, y in zip(curve.coverage, curve.risk, strict=True)),
        detail="" if area is None else f"AURC {area:.3f}",
    )
