"""Summaries as tables of numbers (pandas)."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from askd_bench.metrics.summary import POOLED


def condition_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a condition, in the order of the summary, and a last one that pools them.

    Columns: `condition`, `utterances`, `failed`, and for each metric of the summary `NAME`, `NAME_low`, `NAME_high` (NaN where null); for
    those that are reported again after temperature scaling `NAME_scaled`.
    """
    tables = {**summary["conditions"], POOLED: summary[POOLED]}
    return pd.DataFrame([_record(name, table) for name, table in tables.items()])


def _record(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"condition": name, "utterances": table["n_utterances"], "failed": table["n_errors"]}
    for metric, estimate in table["metrics"].items():
        record[metric] = _number(estimate["value"])
        record[f"{metric}_low"] = _number(estimate["low"])
        record[f"{metric}_high"] = _number(estimate["high"])
    for metric, estimate in (table["after_temperature_scaling"] or {}).items():
        record[f"{metric}_scaled"] = _number(estimate["value"])
    return record


def _number(value: float | None) -> float:
    """Return NaN for null: a column of nulls alone would hold objects, and not add up."""
    return math.nan if value is None else value
