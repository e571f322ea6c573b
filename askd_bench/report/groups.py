"""Error rates by group of speakers, condition by condition: whom does a model serve worse, and where does noise make it worse still."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.groups import LOG_RATIO, SPREAD, GroupTable, group_table
from askd_bench.metrics.scoring import score
from askd_bench.results import Result
from askd_bench.tables.format import column, estimate_cell
from askd_bench.tables.model import DASH, Cell, Column, Table
from askd_bench.tables.terminal import TerminalTable, terminal_table
from askd_bench.text import DEFAULT_NORMALISER

By = Literal["group", "speaker"]

_ABSENT = Estimate.absent("not in this result")


def group_tables(result: Result, normalizer: str = DEFAULT_NORMALISER, by: By = "group") -> dict[str, GroupTable]:
    """Return condition -> table by group (or by speaker), over the "test" utterances, in the order of the rows."""
    scored = score(result.rows(), normalizer=normalizer)
    reported = scored.select(~scored.dev)
    return {str(name): group_table(reported.select(reported.condition == name), by=by) for name in dict.fromkeys(reported.condition)}


def groups_frame(tables: Mapping[str, GroupTable]) -> pd.DataFrame:
    """Return one row for each condition and group: `condition, group, utterances, speakers, wer, wer_low, wer_high, log_ratio_to_rest`."""
    return pd.DataFrame(_records(tables))


def group_records(result: Result, normalizer: str = DEFAULT_NORMALISER, by: By = "group") -> list[dict[str, str | int | float | None]]:
    """Return the rows of `groups_frame` as plain values; None where there is no figure."""
    return _records(group_tables(result, normalizer, by))


def _records(tables: Mapping[str, GroupTable]) -> list[dict[str, str | int | float | None]]:
    return [
        {
            "condition": condition,
            "group": row.name,
            "utterances": row.utterances,
            "speakers": row.speakers,
            "wer": row.wer.value,
            "wer_low": row.wer.low,
            "wer_high": row.wer.high,
            "log_ratio_to_rest": row.log_ratio_to_rest.value,
        }
        for condition, table in tables.items()
        for row in table.groups
    ]


def groups_view(result: Result, normalizer: str = DEFAULT_NORMALISER, by: By = "group") -> TerminalTable:
    """Return a table with a row a group and a column a condition; the lower rows compare the groups."""
    corpus = result.signature().corpus
    meaning = corpus.group_is if by == "group" else corpus.speaker_is
    tables = group_tables(result, normalizer, by)
    title = f"WER % by {by}: {meaning}, corpus {corpus.name}"
    return terminal_table(table_by_group([Grouped("", tables)], list(tables), by=by, title=title))


@dataclass(frozen=True, slots=True)
class Grouped:
    """A model's name, its tables by condition, and the number of its look (None: it has none)."""

    name: str
    tables: Mapping[str, GroupTable]
    style: int | None = None


def table_by_group(models: Sequence[Grouped], conditions: Sequence[str], *, by: By, title: str) -> Table:
    """Return a row for each group and model, a column a condition, and below them how far the groups are apart."""
    names = sorted({row.name for one in models for table in one.tables.values() for row in table.groups})
    named = models[0].style is not None

    def line(label: str, place: int, one: Grouped, count: Cell, cells: Iterable[Cell]) -> tuple[Cell, ...]:
        who = [Cell(text=one.name, sort=one.name, style=one.style)] if named else []
        return (Cell(text=label, sort=float(place)), *who, count, *cells)

    def group(name: str, place: int, one: Grouped) -> tuple[Cell, ...]:
        rows = [next((row for row in one.tables[c].groups if row.name == name), None) if c in one.tables else None for c in conditions]
        size = next((row for row in rows if row is not None), None)
        count = Cell(text=f"{size.utterances} ({size.speakers} speakers)", sort=float(size.utterances)) if size else Cell()
        return line(name, place, one, count, (_rate(row.wer if row else _ABSENT) for row in rows))

    def apart(one: Grouped) -> Iterator[tuple[Cell, ...]]:
        found = [one.tables.get(c) for c in conditions]
        yield line(f"worst {by}", len(names), one, Cell(text=""), (Cell(text=(table.worst if table else None) or DASH) for table in found))
        for quantity in (SPREAD, LOG_RATIO):
            between = (_ABSENT if table is None else getattr(table, quantity.name) for table in found)
            yield line(quantity.label, len(names), one, Cell(text=""), (estimate_cell(quantity, estimate) for estimate in between))

    heading = (Column(label=by), *([Column(label="model", text=True)] if named else []), column(METRICS["utterances"]))
    return Table(
        columns=(*heading, *(Column(label=c, meaning=f"word error rate under {c}, %; lower is better") for c in conditions)),
        rows=tuple(group(name, place, one) for place, name in enumerate(names) for one in models),
        below=tuple(row for one in models for row in apart(one)),
        title=title,
        caption=f"[95 % interval]; {DASH}: too few to tell. {LOG_RATIO.label}: {LOG_RATIO.meaning}.",
    )


def _rate(estimate: Estimate) -> Cell:
    return estimate_cell(METRICS["wer"], estimate)
