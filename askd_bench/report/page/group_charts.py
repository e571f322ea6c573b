"""Figures of groups of speakers: word error rate by accent, condition by condition."""

from collections.abc import Mapping, Sequence

from askd_bench.metrics.groups import GroupTable
from askd_bench.report.groups import group_tables
from askd_bench.report.page.charts import Chart, Series, on_one_scale, point_of, points_of, slug
from askd_bench.report.page.sections import Section

Groups = Sequence[Mapping[str, GroupTable]]
"""For each entry of a section: condition -> table."""


def groups_of(section: Section, normalizer: str) -> Groups:
    """Return the tables by group of a section whose suite is read by groups; none for any other."""
    if section.suite is not None and not section.suite.by_group:
        return []
    if any(entry.summary["groups"] is None for entry in section.entries):
        return []
    return [group_tables(entry.result, normalizer) for entry in section.entries]


def group_charts(section: Section, groups: Groups) -> list[Chart]:
    """Return one figure a condition, on one scale."""
    charts = []
    for condition in section.conditions if groups else ():
        names = dict.fromkeys(row.name for tables in groups if condition in tables for row in tables[condition].groups)
        series = tuple(
            Series(
                label=entry.name,
                style=entry.style,
                points=points_of(point_of(row.name, row.wer.as_dict(), 100) for row in tables[condition].groups),
            )
            for entry, tables in zip(section.entries, groups, strict=True)
            if condition in tables
        )
        if not any(one.points for one in series):
            continue
        charts.append(
            Chart(
                name=slug(section.name, "groups", condition),
                title=f"Groups of speakers: {condition}",
                caption=(
                    f"{section.title}; groups are: {section.corpus.group_is}. 95 % intervals; groups too small to tell are not drawn."
                ),
                kind="dots",
                x_label="WER, %",
                y_label="group",
                series=tuple(one for one in series if one.points),
                categories=tuple(name for name in names if any(point.x == name for one in series for point in one.points)),
                value="WER, %",
            )
        )
    return on_one_scale(charts)
