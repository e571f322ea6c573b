"""The metric tables of a section: a row for each condition and model."""

from collections.abc import Sequence

from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.summary import POOLED
from askd_bench.report.page.sections import Entry, Section
from askd_bench.report.summaries import figure_cells, table_of, utterances_cell
from askd_bench.report.views import CONFIDENCE, ERRORS, HEADLINE
from askd_bench.tables.format import column
from askd_bench.tables.model import Cell, Column, Table

VIEWS = (
    ("Headline", HEADLINE),
    ("Errors by kind, invented text, speed", ERRORS),
    ("Word confidence: calibration and ranking", CONFIDENCE),
)

_Row = tuple[Cell, ...]


def metric_tables(section: Section) -> list[Table]:
    """Return the tables of a section; a column that has no value anywhere is left out and named, with the reason."""
    return [_table(section, title, names) for title, names in VIEWS]


def meanings() -> list[Column]:
    """Return every column that occurs, once, for the legend."""
    return [column(METRICS[name]) for name in dict.fromkeys(name for _, names in VIEWS for name in names)]


def _table(section: Section, title: str, names: Sequence[str]) -> Table:
    heard = [
        (condition, place, entry)
        for place, condition in enumerate(section.conditions)
        for entry in section.entries
        if table_of(entry.summary, condition) is not None
    ]
    pooled = [(POOLED, len(section.conditions), entry) for entry in section.entries]
    rows, below = ([tuple(figure_cells(entry.summary, condition, names)) for condition, _, entry in part] for part in (heard, pooled))
    kept = [i for i in range(len(names)) if any(row[i].sort is not None for row in (*rows, *below))]
    empty = [f"{METRICS[names[i]].label}: {_reason(rows, i)}" for i in range(len(names)) if i not in kept]
    several = len(section.entries) > 1
    heading = (Column(label="condition"), *([Column(label="model", text=True)] if several else []), column(METRICS["utterances"]))

    def line(condition: str, place: int, entry: Entry, cells: _Row) -> _Row:
        who = [Cell(text=entry.name, sort=entry.name, style=entry.style)] if several else []
        own = [cells[i] for i in kept]
        return (Cell(text=condition, sort=float(place)), *who, utterances_cell(entry.summary, condition), *own)

    return Table(
        columns=(*heading, *(column(METRICS[names[i]]) for i in kept)),
        rows=tuple(line(*of, cells) for of, cells in zip(heard, rows, strict=True)),
        below=tuple(line(*of, cells) for of, cells in zip(pooled, below, strict=True)),
        title=title,
        caption=f"Without any value, and so not shown: {'; '.join(empty)}." if empty else "",
    )


def _reason(rows: Sequence[_Row], position: int) -> str:
    return next((row[position].reason for row in rows if row[position].reason), "no value")
