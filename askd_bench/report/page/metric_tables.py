"""The tables of a section: a row for each condition and model, cells that know the number they are sorted by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askd_bench.metrics.summary import METRICS, POOLED
from askd_bench.report.frames import HEADLINE
from askd_bench.report.page.sections import Entry, Section

Column = tuple[str, str, float, int]
"""Label, metric, factor, digits, as in `HEADLINE`."""

ERRORS: tuple[Column, ...] = (
    ("WER %", "wer", 100, 1),
    ("sub. %", "substitution_rate", 100, 1),
    ("del. %", "deletion_rate", 100, 1),
    ("ins. %", "insertion_rate", 100, 1),
    ("wrong utt. %", "sentence_error_rate", 100, 1),
    ("rel. Δ %", "relative_degradation", 100, 0),
    ("halluc. %", "hallucination_rate", 100, 1),
    ("invented / min", "invented_words_per_minute", 1, 1),
    ("loops ‰", "loops_per_1000_words", 1, 1),
    ("bracketed ‰", "bracketed_per_1000_words", 1, 1),
    ("compressible %", "compressible_rate", 100, 1),
    ("length ratio", "length_ratio", 1, 2),
    ("RTFx", "rtfx", 1, 1),
)
CONFIDENCE: tuple[Column, ...] = (
    ("ECE", "ece", 1, 3),
    ("ECE, equal mass", "ece_equal_mass", 1, 3),
    ("largest gap", "maximum_calibration_error", 1, 3),
    ("over-confidence", "overconfidence_gap", 1, 3),
    ("Brier", "brier", 1, 3),
    ("NLL", "nll", 1, 3),
    ("NCE", "nce", 1, 2),
    ("wrong > .5", "confident_errors_0.5", 1, 1),
    ("wrong > .7", "confident_errors_0.7", 1, 1),
    ("wrong > .9", "confident_errors_0.9", 1, 1),
    ("AUROC", "auroc", 1, 3),
    ("AUPR", "aupr_errors", 1, 3),
    ("AURC", "aurc", 1, 3),
    ("excess AURC", "excess_aurc", 1, 3),
)
TABLES: tuple[tuple[str, str, tuple[Column, ...]], ...] = (
    ("headline", "Headline", HEADLINE),
    ("errors", "Errors by kind, invented text, speed", ERRORS),
    ("confidence", "Word confidence: calibration and ranking", CONFIDENCE),
)
_SCALED = "_scaled"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as text, its interval as text ("" where it has none), the number it is sorted by, and why it has none."""

    text: str
    interval: str = ""
    number: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's label, what it means, and which direction is better ("" where neither is)."""

    label: str
    meaning: str
    better: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its condition, the condition's place in the suite, its model, and the model's style."""

    condition: str
    place: int
    model: str
    style: int
    utterances: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class MetricTable:
    """A table of metrics.

    `pooled` are the rows over all conditions, which stay below whatever the order; `empty` names columns without any value, and why;
    `first` is what the rows are of.
    """

    name: str
    title: str
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    pooled: tuple[Line, ...]
    empty: tuple[str, ...] = ()
    first: str = "condition"


def metric_tables(section: Section) -> list[MetricTable]:
    """Return the tables of a section; a column that has no value anywhere is left out and named, with the reason."""
    return [_table(section, name, title, columns) for name, title, columns in TABLES]


def meanings() -> list[Heading]:
    """Return every column that occurs, once, for the legend."""
    return list({label: _heading(label, metric) for _, _, columns in TABLES for label, metric, *_ in columns}.values())


def cell(estimate: Mapping[str, Any] | None, factor: float, digits: int, *, signed: bool = False) -> Cell:
    """Return an estimate (as a summary has it) as a cell."""
    if estimate is None:
        return Cell("–", reason="not measured")
    if estimate["value"] is None:
        return Cell("–", reason=estimate["reason"] or "")
    sign = "+" if signed else ""
    value, low, high = (None if estimate[end] is None else factor * estimate[end] for end in ("value", "low", "high"))
    assert value is not None
    interval = "" if low is None or high is None else f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
    return Cell(f"{value:{sign}.{digits}f}", interval, value, estimate["reason"] or "")


def _table(section: Section, name: str, title: str, columns: Sequence[Column]) -> MetricTable:
    lines = [
        _line(entry, condition, place, columns)
        for place, condition in enumerate(section.conditions)
        for entry in section.entries
        if condition in entry.summary["conditions"]
    ]
    pooled = [_line(entry, POOLED, len(section.conditions), columns) for entry in section.entries]
    kept = [i for i in range(len(columns)) if any(line.cells[i].number is not None for line in (*lines, *pooled))]
    empty = [
        f"{label}: {next((line.cells[i].reason for line in lines if line.cells[i].reason), 'no value')}"
        for i, (label, *_) in enumerate(columns)
        if i not in kept
    ]
    return MetricTable(
        name,
        title,
        tuple(_heading(columns[i][0], columns[i][1]) for i in kept),
        tuple(_cut(line, kept) for line in lines),
        tuple(_cut(line, kept) for line in pooled),
        tuple(empty),
    )


def _line(entry: Entry, condition: str, place: int, columns: Sequence[Column]) -> Line:
    table = entry.summary[POOLED] if condition == POOLED else entry.summary["conditions"][condition]
    failed = f" ({table['n_errors']} failed)" if table["n_errors"] else ""
    cells = tuple(cell(_estimate(entry, table, metric), factor, digits) for _, metric, factor, digits in columns)
    return Line(condition, place, entry.name, entry.style, f"{table['n_utterances']}{failed}", cells)


def _estimate(entry: Entry, table: Mapping[str, Any], metric: str) -> Mapping[str, Any] | None:
    if not metric.endswith(_SCALED):
        found: Mapping[str, Any] | None = table["metrics"].get(metric)
        return found
    scaled: Mapping[str, Any] | None = (table["after_temperature_scaling"] or {}).get(metric.removesuffix(_SCALED))
    reason = entry.summary["temperature_scaling"]["reason"] or "not measured"
    return scaled or {"value": None, "low": None, "high": None, "n": 0, "reason": reason}


def _heading(label: str, metric: str) -> Heading:
    about = next(one for one in METRICS if one.name == metric.removesuffix(_SCALED))
    scaled = ", after temperature scaling on dev" if metric.endswith(_SCALED) else ""
    better = {"lower": "lower is better", "higher": "higher is better", "zero": "0 is best"}.get(about.better, "")
    return Heading(label, f"{about.meaning}{scaled} ({about.unit})", better)


def _cut(line: Line, kept: Sequence[int]) -> Line:
    return Line(line.condition, line.place, line.model, line.style, line.utterances, tuple(line.cells[i] for i in kept))
