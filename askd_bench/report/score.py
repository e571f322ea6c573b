"""`score`: a result's figures computed again from its rows, under one normaliser or under all of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from askd_bench.arguments import StrPath, path_of
from askd_bench.errors import unknown_name
from askd_bench.metrics.summary import POOLED
from askd_bench.report.headline import headline, title_of
from askd_bench.report.summaries import figure_cells
from askd_bench.results import Result
from askd_bench.tables.model import Cell, Column, Table
from askd_bench.tables.terminal import terminal_table
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS

ALL = "all"


def score(result_dir: StrPath, normalizer: str = DEFAULT_NORMALISER) -> dict[str, Any]:
    """Compute a result's summary again from its rows, store it, and return it; no model is needed.

    With the normaliser "all", return normaliser -> summary, and store nothing: how much of a figure is the choice of normaliser?

    Raises:
        UserError: no result directory, or an unknown normaliser.
    """
    result = Result.open(path_of("result_dir", result_dir))
    if normalizer == ALL:
        return {name: result.summarise(normalizer=name) for name in NORMALISERS}
    if normalizer not in NORMALISERS:
        raise unknown_name("normalizer", normalizer, [*NORMALISERS, ALL])
    return result.write_summary(normalizer)


def score_table(result_dir: Path, normalizer: str) -> RenderableType:
    """Do what `score` does and return its table: the headline figures, or WER under every normaliser side by side."""
    scored, result = score(result_dir, normalizer), Result.open(result_dir)
    if normalizer != ALL:
        return headline(result)
    conditions = [*next(iter(scored.values()))["conditions"], POOLED]
    *rows, pooled = [
        (Cell(text=condition), *(cell for summary in scored.values() for cell in _rate(summary, condition))) for condition in conditions
    ]
    columns = (f"{name} v{summary['normalizer']['version']}" for name, summary in scored.items())
    table = Table(
        columns=(Column(label="condition"), *(Column(label=label) for label in columns)),
        rows=tuple(rows),
        below=(pooled,),
        title=f"WER % of {title_of(result)}",
    )
    return terminal_table(table)


def _rate(summary: Mapping[str, Any], condition: str) -> list[Cell]:
    return [replace(cell, interval="") for cell in figure_cells(summary, condition, ("wer",))]
