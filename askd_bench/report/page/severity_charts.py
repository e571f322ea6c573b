"""Figures over conditions: a rate against severity, axis by axis, and over conditions that are on no axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from askd_bench.report.page.charts import Chart, Series, in_parts, on_one_scale, point_of, points_of, slug
from askd_bench.report.page.sections import Entry, Section
from askd_bench.report.page.severity_axes import Axis, axes_of

_MOST_FAMILIES = 6
_GREY = 5
"""Style of the baseline where the colours are those of families."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric as it is drawn: its name in summaries, file name, title, label of the axis, and the factor to the axis' unit."""

    metric: str
    name: str
    title: str
    label: str
    factor: float


WER = Measure("wer", "wer", "Word error rate", "WER, %", 100)
CONFIDENT_ERRORS = Measure("confident_errors_0.7", "confident-errors", "Confident errors", "confident errors per 100 words", 1)
INVENTED = Measure("invented_words_per_minute", "invented-words", "Invented words", "words per minute of silence", 1)


def error_charts(section: Section) -> list[Chart]:
    """Return word error rates over conditions, or words invented in silence where nothing is said at all."""
    has_words = any((entry.metric(c, "wer") or {}).get("value") is not None for entry in section.entries for c in section.conditions)
    return _charts(section, WER if has_words else INVENTED)


def confident_error_charts(section: Section) -> list[Chart]:
    """Return confident errors over conditions."""
    return _charts(section, CONFIDENT_ERRORS)


def _charts(section: Section, measure: Measure) -> list[Chart]:
    axes = [axis for axis in axes_of(section) if section.baseline not in axis.conditions]
    if len(section.entries) == 1:
        # with one model there is room for all families on a kind of axis, also for those of a single severity
        names = {axis.name for axis in axes if len(axis.conditions) > 1}
        drawn = [axis for axis in axes if axis.name in names]
        charts = list(_families_together(section, drawn, measure))
    else:
        drawn = [axis for axis in axes if len(axis.conditions) > 1]
        charts = [_models_together(section, axis, measure) for axis in drawn]
    on_axis = {condition for axis in drawn for condition in axis.conditions}
    others = [condition for condition in section.conditions if condition not in on_axis]
    if others != [section.baseline] or not charts:
        charts += in_parts(_by_condition(section, others, measure, "other conditions" if charts else "conditions"))
    return on_one_scale([chart for chart in charts if chart.series])


def _models_together(section: Section, axis: Axis, measure: Measure) -> Chart:
    """Return a figure of one family, with a line a model."""
    places = (section.baseline, *axis.severities)
    conditions = (section.baseline, *axis.conditions)
    series = [_series(entry.name, entry.style, entry, measure, places, conditions) for entry in section.entries]
    return _severity_chart(section, measure, axis.family, axis.name, places, series)


def _families_together(section: Section, axes: Sequence[Axis], measure: Measure) -> Iterator[Chart]:
    """Yield figures of each kind of axis, with a line a family, for a section of one model."""
    [entry] = section.entries
    for name in dict.fromkeys(axis.name for axis in axes):
        same = [axis for axis in axes if axis.name == name]
        parts = [same[start : start + _MOST_FAMILIES] for start in range(0, len(same), _MOST_FAMILIES)]
        for number, part in enumerate(parts, start=1):
            series = [_series(section.baseline, _GREY, entry, measure, (section.baseline,), (section.baseline,))]
            for style, axis in enumerate(part):
                series.append(_series(axis.family, style + (style >= _GREY), entry, measure, axis.severities, axis.conditions))
            longest = max(part, key=lambda axis: len(axis.conditions))
            categories = (section.baseline, *_merged([longest.severities, *(axis.severities for axis in part)]))
            what = name.split(",")[0] + ("" if len(parts) == 1 else f" ({number} of {len(parts)})")
            yield _severity_chart(section, measure, what, name, categories, series)


def _series(label: str, style: int, entry: Entry, measure: Measure, places: Sequence[str], conditions: Sequence[str]) -> Series:
    estimates = (entry.metric(condition, measure.metric) for condition in conditions)
    points = (point_of(x, estimate, measure.factor) for x, estimate in zip(places, estimates, strict=True))
    return Series(label=label, style=style, points=points_of(points))


def _severity_chart(
    section: Section, measure: Measure, what: str, axis_name: str, categories: tuple[str, ...], series: Sequence[Series]
) -> Chart:
    return Chart(
        name=slug(section.name, measure.name, what),
        title=f"{measure.title}: {what}",
        caption=f"{section.title}. 95 % intervals. Severities stand at even distances.",
        kind="severity",
        x_label=axis_name,
        y_label=measure.label,
        series=tuple(one for one in series if one.points),
        categories=categories,
        apart=True,
        value=measure.label,
    )


def _by_condition(section: Section, conditions: Sequence[str], measure: Measure, what: str) -> Chart:
    """Return a figure of conditions one below the other."""
    series = [_series(entry.name, entry.style, entry, measure, conditions, conditions) for entry in section.entries]
    return Chart(
        name=slug(section.name, measure.name, "conditions"),
        title=f"{measure.title}: {what}",
        caption=f"{section.title}. 95 % intervals.",
        kind="dots",
        x_label=measure.label,
        y_label="condition",
        series=tuple(one for one in series if one.points),
        categories=tuple(conditions),
        value=measure.label,
    )


def _merged(lists: Sequence[Sequence[str]]) -> list[str]:
    """Merge severities as text in the direction of the first list."""
    names = list(dict.fromkeys(name for names in lists for name in names))
    falling = len(lists[0]) > 1 and float(lists[0][0]) > float(lists[0][-1])
    return sorted(names, key=float, reverse=falling)
