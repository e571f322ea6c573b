"""Summaries as tables of numbers (pandas), from which every printed table is made."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from askd_bench.metrics.summary import POOLED

HEADLINE: tuple[tuple[str, str, float, int], ...] = (
    ("WER %", "wer", 100, 1),
    ("Δ clean", "degradation", 100, 1),
    ("CER %", "cer", 100, 1),
    ("ECE", "ece", 1, 3),
    ("scaled", "ece_scaled", 1, 3),
    ("conf. err.", "confident_errors_0.7", 1, 1),
    ("ins. %", "insertion_rate", 100, 1),
    ("halluc. %", "hallucination_rate", 100, 1),
)
"""The headline columns: label, metric, factor, digits. WER carries its interval."""


def condition_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a condition, in the order of the summary, and a last one that pools them.

    Columns: `condition`, `utterances`, `failed`, and for each metric of the summary `NAME`, `NAME_low`, `NAME_high` (NaN where null); for
    those that are reported again after temperature scaling `NAME_scaled`.
    """
    tables = {**summary["conditions"], POOLED: summary[POOLED]}
    return pd.DataFrame([_record(name, table) for name, table in tables.items()])


def headline_cell(row: "pd.Series[Any]", metric: str, factor: float, digits: int) -> str:
    """Return a figure as text, WER with its interval, an en dash where there is none."""
    value = row.get(metric)
    if value is None or pd.isna(value):
        return "–"
    text = f"{factor * value:.{digits}f}"
    if metric != "wer" or pd.isna(row["wer_low"]):
        return text
    return f"{text} [{factor * row['wer_low']:.{digits}f}, {factor * row['wer_high']:.{digits}f}]"


def markdown_table(frame: pd.DataFrame) -> str:
    """Return the headline columns of a `condition_table` as Markdown."""
    lines = ["| condition | utt. | " + " | ".join(label for label, *_ in HEADLINE) + " |", "| --- " + "| ---: " * (len(HEADLINE) + 1) + "|"]
    for _, row in frame.iterrows():
        cells = [str(row["condition"]), str(row["utterances"]), *(headline_cell(row, *spec[1:]) for spec in HEADLINE)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _record(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"condition": name, "utterances": table["n_utterances"], "failed": table["n_errors"]}
    for metric, estimate in table["metrics"].items():
        record[metric] = estimate["value"]
        record[f"{metric}_low"] = estimate["low"]
        record[f"{metric}_high"] = estimate["high"]
    for metric, estimate in (table["after_temperature_scaling"] or {}).items():
        record[f"{metric}_scaled"] = estimate["value"]
    return record
