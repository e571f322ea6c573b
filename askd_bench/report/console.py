"""What a person sees in the terminal: the headline table, with packaged results beside the run's own."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from askd_bench.metrics.summary import POOLED
from askd_bench.report.tables import HEADLINE, condition_table, headline_cell

LEGEND = (
    "WER %: word errors per 100 reference words [95 % interval] · Δ clean: WER points above the baseline condition, same utterances · "
    "ECE: expected calibration error of word confidence · conf. err.: wrong words held with confidence > 0.7, per 100 words · "
    "ins. %: inserted words per 100 reference words · halluc. %: utterances that share no word with the reference"
)


def headline(name: str, title: str, summary: Mapping[str, Any], references: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the headline table of one corpus.

    Args:
        name: of the model that was run.
        title: of the table.
        summary: of its result.
        references: model -> summary on the same audio; shown below each condition, marked "packaged".
    """
    table = Table(
        title=title, box=box.SIMPLE_HEAVY, title_justify="left", pad_edge=False, caption=_caption(summary), caption_justify="left"
    )
    table.add_column("condition", no_wrap=True)
    if references:
        table.add_column("model", no_wrap=True)
    table.add_column("utt.", justify="right")
    for label, *_ in HEADLINE:
        table.add_column(label, justify="right", no_wrap=True)
    models = [(name, condition_table(summary))] + [(f"{model} (packaged)", condition_table(other)) for model, other in references.items()]
    for condition in models[0][1]["condition"]:
        if condition == POOLED:
            table.add_section()
        for position, (model, frame) in enumerate(models):
            found = frame[frame["condition"] == condition]
            if found.empty:  # no utterance of this condition could be heard
                continue
            row = found.iloc[0]
            cells = [str(condition) if position == 0 else ""] + ([model] if references else [])
            failed = f" ({row['failed']} failed)" if row["failed"] else ""
            table.add_row(
                *cells,
                f"{row['utterances']}{failed}",
                *(headline_cell(row, *spec[1:]) for spec in HEADLINE),
                style="dim" if position else "",
            )
    return table


def _caption(summary: Mapping[str, Any]) -> str:
    intervals = summary["intervals"]
    speed = summary[POOLED]["metrics"].get("rtfx", {})
    rtfx = f"RTFx {speed['value']:.1f}" if speed.get("value") is not None else f"RTFx –: {speed.get('reason', 'not measured')}"
    return (
        f"Intervals: bootstrap over {intervals['clusters']} {intervals['resampled']}s, so they speak for {intervals['speaks_for']}. "
        f"Normaliser {summary['normalizer']['name']} v{summary['normalizer']['version']}. {rtfx}."
    )
