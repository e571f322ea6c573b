"""A summary's figures by the names of the catalogue, and the table of its headline."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from askd_bench.metrics.catalogue import METRICS, RESCALED
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.summary import POOLED
from askd_bench.report.views import HEADLINE
from askd_bench.tables.format import column, estimate_cell, interval
from askd_bench.tables.model import Cell, Column, Table

_AT_TEMPERATURE = {METRICS[f"{name}_scaled"].name: name for name in RESCALED}
_FIELDS = [field.name for field in fields(Estimate)]

Summary = Mapping[str, Any]


def table_of(summary: Summary, condition: str) -> Mapping[str, Any] | None:
    """Return what a summary holds of a condition, or of all of them pooled; None where it was not heard."""
    found: Mapping[str, Any] | None = summary[POOLED] if condition == POOLED else summary["conditions"].get(condition)
    return found


def figure_of(summary: Summary, condition: str, name: str) -> Estimate:
    """Return a figure of a condition (or "pooled"), with the reason where there is none."""
    table = table_of(summary, condition)
    if table is None:
        return Estimate.absent("this condition was not heard")
    if name in _AT_TEMPERATURE:
        stored = (table["after_temperature_scaling"] or {}).get(_AT_TEMPERATURE[name])
        reason = summary["temperature_scaling"]["reason"]
    else:
        stored, reason = table["metrics"].get(name), None
    return Estimate(**{field: stored[field] for field in _FIELDS}) if stored else Estimate.absent(reason or "not measured")


def utterances_cell(summary: Summary, condition: str) -> Cell:
    """Return how many utterances there are, and how many of them failed."""
    table = table_of(summary, condition)
    count, failed = (table["n_utterances"], table["n_errors"]) if table else (0, 0)
    return Cell(text=f"{count} ({failed} failed)" if failed else str(count), sort=float(count))


def figure_cells(summary: Summary, condition: str, names: Sequence[str]) -> list[Cell]:
    """Return a condition's figures as cells."""
    return [estimate_cell(METRICS[name], figure_of(summary, condition, name)) for name in names]


def headline_table(summary: Summary, *, title: str = "", caption: str = "") -> Table:
    """Return the headline figures by condition."""
    *rows, pooled = (
        (Cell(text=condition), utterances_cell(summary, condition), *figure_cells(summary, condition, HEADLINE))
        for condition in (*summary["conditions"], POOLED)
    )
    return Table(
        columns=(Column(label="condition"), *(column(METRICS[name]) for name in ("utterances", *HEADLINE))),
        rows=tuple(rows),
        below=(pooled,),
        title=title,
        caption=caption,
    )


def scaling_sentence(summary: Summary) -> str:
    """Say which temperature was fitted, or why none was."""
    fit = summary["temperature_scaling"]
    if fit["temperature"] is None:
        return f"No temperature scaling: {fit['reason']}."
    ends = "" if fit["low"] is None else f" {interval(fit['low'], fit['high'], digits=3)}"
    edge = ", at the edge of the grid: the best may lie beyond" if fit["at_edge_of_grid"] else ""
    stored = f"; one of those stored, since {fit['only_stored']}" if fit["only_stored"] else ""
    return f"Temperature {fit['temperature']:g}{ends}, fitted on {fit['dev_words']} dev words{edge}{stored}."
