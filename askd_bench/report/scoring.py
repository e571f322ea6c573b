"""What `askd-bench score` shows: a result's figures computed again from its rows."""

from pathlib import Path

from rich import box
from rich.table import Table

from askd_bench.metrics.summary import all_normalisers
from askd_bench.report.console import headline, title_of
from askd_bench.results import Result
from askd_bench.text import NORMALISERS

ALL = "all"


def score_table(result_dir: Path, normalizer: str) -> Table:
    """Return the headline table under one normaliser, storing the summary; or WER under all of them, side by side, storing nothing.

    Raises:
        UserError: no result directory, or an unknown normaliser.
    """
    result = Result.open(result_dir)
    if normalizer != ALL:
        result.write_summary(normalizer)
        return headline(result)
    table = Table(title=f"WER % of {title_of(result.signature())}", box=box.SIMPLE_HEAVY, title_justify="left", pad_edge=False)
    table.add_column("condition", no_wrap=True)
    for name, version in NORMALISERS.items():
        table.add_column(f"{name} v{version}", justify="right")
    by_normaliser = all_normalisers(list(result.rows()), resamples=0)
    for condition in next(iter(by_normaliser.values())):
        rates = [by_normaliser[name][condition].value for name in NORMALISERS]
        table.add_row(condition, *("–" if rate is None else f"{100 * rate:.2f}" for rate in rates))
    return table
