"""The table of groups of speakers: a row for each group and model, a column a condition, and how far the groups are apart."""

from askd_bench.metrics.estimate import Estimate
from askd_bench.report.page.group_charts import Groups
from askd_bench.report.page.metric_tables import Cell, Heading, Line, MetricTable, cell
from askd_bench.report.page.sections import Section

_ABSENT = Estimate.absent("not in this result")
_BETWEEN = (("spread, points", "spread", 100, 1), ("log-ratio worst / best", "log_ratio", 1, 2))


def group_table(section: Section, groups: Groups) -> MetricTable | None:
    """Return the table, None where a section is not read by groups."""
    if not groups:
        return None
    conditions = section.conditions
    names = sorted({row.name for tables in groups for table in tables.values() for row in table.groups})
    lines, below = [], []
    for place, name in enumerate(names):
        for entry, tables in zip(section.entries, groups, strict=True):
            own = {c: next((row for row in tables[c].groups if row.name == name), None) for c in conditions if c in tables}
            size = next((row for row in own.values() if row is not None), None)
            cells = tuple(cell((row.wer if (row := own.get(c)) else _ABSENT).as_dict(), 100, 1) for c in conditions)
            about = f"{size.utterances} ({size.speakers} speakers)" if size else "0"
            lines.append(Line(name, place, entry.name, entry.style, about, cells))
    for entry, tables in zip(section.entries, groups, strict=True):
        worst = tuple(Cell((tables[c].worst if c in tables else None) or "–") for c in conditions)
        below.append(Line("worst group", len(names), entry.name, entry.style, "", worst))
        for label, attribute, factor, digits in _BETWEEN:
            between = tuple(cell((getattr(tables[c], attribute) if c in tables else _ABSENT).as_dict(), factor, digits) for c in conditions)
            below.append(Line(label, len(names), entry.name, entry.style, "", between))
    headings = tuple(Heading(c, f"word error rate under {c}, %", "lower is better") for c in conditions)
    title = f"WER % by group ({section.corpus.group_is})"
    return MetricTable("groups", title, headings, tuple(lines), tuple(below), first="group")
