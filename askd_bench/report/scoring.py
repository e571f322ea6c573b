"""What `askd-bench score` shows: a result's figures computed again from its rows."""

from pathlib import Path

from rich import box
from rich.table import Table

from askd_bench.metrics.summary import summarise
from askd_bench.report.console import headline
from askd_bench.report.reference import reference_summaries
from askd_bench.report.tables import condition_table
from askd_bench.results import Result
from askd_bench.text import NORMALISERS

ALL = "all"


def score_table(result_dir: Path, normalizer: str) -> Table:
    """Return the headline table under one normaliser, storing the summary; or WER under all of them, side by side, storing nothing.

    Raises:
        UserError: no result directory, or an unknown normaliser.
    """
    result = Result.open(result_dir)
    signature = result.signature()
    title = (
        f"{signature['model']['id']} on {signature['suite']['name']}-v{signature['suite']['version']}, corpus {signature['corpus']['name']}"
    )
    if normalizer != ALL:
        summary = result.write_summary(normalizer)
        return headline(signature["model"]["id"], title, summary, reference_summaries(result))
    table = Table(title=f"WER % of {title}", box=box.SIMPLE_HEAVY, title_justify="left", pad_edge=False)
    table.add_column("condition", no_wrap=True)
    frames = []
    for name, version in NORMALISERS.items():
        table.add_column(f"{name} v{version}", justify="right")
        frames.append(condition_table(summarise(result.rows(), normalizer=name, resamples=0)))
    for position, condition in enumerate(frames[0]["condition"]):
        table.add_row(str(condition), *(f"{100 * frame['wer'][position]:.2f}" for frame in frames))
    return table
