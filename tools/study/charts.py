"""The figures of a study, drawn as those of the report are."""

from collections.abc import Mapping, Sequence

import numpy as np

from askd_bench.report.page.charts import Chart, Point, Series
from study.measurements import WORDS, Measurements
from study.outcomes import CONFIDENT, WER, Outcome, figure
from study.plan import SHIFTED, TEACHER

_MAIN_ARMS = 4


def charts(measurements: Measurements) -> list[Chart]:
    """Return word errors and confident errors by domain, and the reliability diagram of shifted speech: teacher and main arms."""
    return [
        _by_domain(measurements, WER, name="study-wer", title="Word error rate by domain", axis="WER, % (95 % interval)"),
        _by_domain(
            measurements, CONFIDENT, name="study-confident-errors", title="Confident errors by domain", axis="wrong words above .7, per 100"
        ),
        _reliability(measurements),
    ]


def _main(measurements: Measurements) -> Mapping[str, Sequence[str]]:
    """The teacher and the arms with several seeds."""
    several = {arm: models for arm, models in measurements.plan.arms.items() if len(models) > 1}
    return dict(list({TEACHER: (measurements.plan.teacher,), **several}.items())[:_MAIN_ARMS])


def _by_domain(measurements: Measurements, outcome: Outcome, *, name: str, title: str, axis: str) -> Chart:
    domains = [domain for domain, one in measurements.plan.domains.items() if one.suite != "silence-v1"]
    series = []
    for number, (arm, models) in enumerate(_main(measurements).items()):
        points = []
        for domain in domains:
            one = figure(measurements, models, domain, outcome)
            if one is not None:
                low, high = (outcome.metric.factor * end for end in one.interval) if one.interval else (None, None)
                points.append(Point(x=domain, y=outcome.metric.factor * one.value, low=low, high=high))
        series.append(Series(label=arm, style=number, points=tuple(points)))
    return Chart(
        name=name,
        title=title,
        caption="Means over seeds; intervals resample utterances (accents: speakers).",
        kind="dots",
        x_label=axis,
        y_label="",
        series=tuple(series),
        categories=tuple(domains),
    )


def _reliability(measurements: Measurements) -> Chart:
    series = []
    for number, (arm, models) in enumerate(_main(measurements).items()):
        resampled = [measurements.resampled(model, SHIFTED, WORDS) for model in models]
        totals = [one.total for one in resampled if one is not None]
        if not totals:
            continue
        count, confidence, correct = (
            np.sum([one[f"word_width_{key}"] for one in totals], axis=0) for key in ("count", "confidence", "correct")
        )
        points = tuple(Point(x=float(c / n), y=float(k / n), n=int(n)) for n, c, k in zip(count, confidence, correct, strict=True) if n > 0)
        series.append(Series(label=arm, style=number, points=points))
    return Chart(
        name="study-reliability",
        title="Reliability on shifted speech",
        caption="Words of all seeds; below the diagonal: over-confident.",
        kind="reliability",
        x_label="mean confidence",
        y_label="share of correct words",
        series=tuple(series),
    )
