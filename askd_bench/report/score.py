"""`score`: a result's figures computed again from its rows, under one normaliser or under all of them."""

from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from askd_bench.errors import unknown_name
from askd_bench.metrics.summary import POOLED
from askd_bench.report.headline import headline, title_of
from askd_bench.results import Result
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS

ALL = "all"


def score(result_dir: Path, normalizer: str = DEFAULT_NORMALISER) -> dict[str, Any]:
    """Compute a result's summary again from its rows, store it, and return it; no model is needed.

    With the normaliser "all", return normaliser -> summary, and store nothing: how much of a figure is the choice of normaliser?

    Raises:
        UserError: no result directory, or an unknown normaliser.
    """
    result = Result.open(result_dir)
    if normalizer == ALL:
        return {name: result.summarise(normalizer=name) for name in NORMALISERS}
    if normalizer not in NORMALISERS:
        raise unknown_name("normalizer", normalizer, [*NORMALISERS, ALL])
    return result.write_summary(normalizer)


def score_table(result_dir: Path, normalizer: str) -> Table:
    """Do what `score` does and return its table: the headline figures, or WER under every normaliser side by side."""
    scored, result = score(result_dir, normalizer), Result.open(result_dir)
    if normalizer != ALL:
        return headline(result)
    table = Table(title=f"WER % of {title_of(result)}", box=box.SIMPLE_HEAVY, title_justify="left", pad_edge=False)
    table.add_column("condition", no_wrap=True)
    columns = []
    for name, summary in scored.items():
        table.add_column(f"{name} v{summary['normalizer']['version']}", justify="right")
        columns.append({**summary["conditions"], POOLED: summary[POOLED]})
    for condition in columns[0]:
        rates = [column[condition]["metrics"]["wer"]["value"] for column in columns]
        table.add_row(condition, *("–" if rate is None else f"{100 * rate:.2f}" for rate in rates))
    return table
