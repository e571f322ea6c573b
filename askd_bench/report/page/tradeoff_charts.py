"""What robustness costs: word error rate against the size and the speed of the models."""

from collections.abc import Mapping

import numpy as np

from askd_bench.metrics import word_errors
from askd_bench.metrics.bootstrap import Clusters, clusters_of, resample
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.summary import POOLED
from askd_bench.report.page.charts import Chart, Series, noted, point_of, points_of, slug
from askd_bench.report.page.sections import Entry, Section


def tradeoff_charts(section: Section) -> list[Chart]:
    """Return word error rate against parameters, and against RTFx where models have one; a figure needs two models or more."""
    sizes = {entry.name: entry.signature.model.parameters for entry in section.entries}
    speeds = {entry.name: rtfx_of(entry).get("value") for entry in section.entries}
    charts = [
        _chart(section, "size", "parameters, millions", {name: n / 1e6 for name, n in sizes.items() if n}),
        _chart(section, "speed", "RTFx, seconds of audio per second", {name: x for name, x in speeds.items() if isinstance(x, float)}),
    ]
    return [noted(chart) for chart in charts if chart is not None]


def rtfx_of(entry: Entry) -> Mapping[str, float | str | None]:
    """Return the pooled RTFx of a summary."""
    found: Mapping[str, float | str | None] = entry.summary[POOLED]["metrics"].get("rtfx") or {"value": None, "reason": "not measured"}
    return found


def _chart(section: Section, what: str, x_label: str, costs: Mapping[str, float]) -> Chart | None:
    entries = [entry for entry in section.entries if entry.name in costs]
    if len(entries) < 2:
        return None
    degraded = [condition for condition in section.shared if condition != section.baseline]
    series: list[Series] = []
    for entry in entries:
        filled, hollow = (
            points_of([point_of(costs[entry.name], _pooled(entry, names).as_dict(), 100)]) for names in (degraded, [section.baseline])
        )
        series.append(Series(label=entry.name, style=entry.style, points=filled or hollow))
        if filled:
            series.append(Series(label=f"{entry.name}, {section.baseline}", style=entry.style, points=hollow, open=True))
    if not all(one.points for one in series):
        return None
    missing = [entry.name for entry in section.entries if entry.name not in costs]
    left_out = f" Not known of {', '.join(missing)}." if missing else ""
    pooled = f"Filled: pooled over the {len(degraded)} conditions but {section.baseline}; open: {section.baseline}. " if degraded else ""
    return Chart(
        name=slug(section.name, "wer", what),
        title=f"Robustness and {what}",
        caption=f"{section.title}. {pooled}95 % intervals. The line joins the models that no other beats in both.{left_out}",
        kind="trade-off",
        x_label=x_label,
        y_label="WER, %",
        series=tuple(series),
        more_is_better=what == "speed",
        value="WER, %",
    )


def _pooled(entry: Entry, conditions: list[str]) -> Estimate:
    """Return the word error rate over some conditions, with the intervals of the summary: the same clusters, the same draws."""
    clusters = clusters_of(entry.scored)
    keep = np.isin(entry.scored.condition, conditions)
    mine = Clusters(clusters.index[keep], clusters.count, clusters.kind)
    options = entry.summary["intervals"]
    statistics = word_errors.statistics(entry.scored.select(keep))
    return word_errors.METRICS[0].estimate(resample(statistics, mine, resamples=options["resamples"], seed=options["seed"]))
