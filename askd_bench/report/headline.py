"""What a person sees in the terminal: the headline table, with packaged results beside the run's own."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from askd_bench.metrics.robustness import mean_corruption_error_ratio
from askd_bench.metrics.summary import POOLED
from askd_bench.report.frames import HEADLINE, condition_table, headline_cell
from askd_bench.report.reference_models import reference_summaries
from askd_bench.results import Result
from askd_bench.signature import Signature

LEGEND = (
    "WER %: word errors per 100 reference words [95 % interval] · Δ clean: WER points above the baseline condition, same utterances · "
    "ECE: expected calibration error of word confidence (needs 300 words) · scaled: the same after "
    "temperature scaling on dev · conf. err.: wrong words held with confidence > 0.7, per 100 words · "
    "ins. %: inserted words per 100 reference words · halluc. %: utterances that share no word with the reference"
)


def headline(result: Result) -> Table:
    """Return the headline table of a result, with packaged results on the same audio below each condition."""
    signature, summary, references = result.signature(), result.stored_summary(), reference_summaries(result)
    name = signature.model.id
    table = Table(
        title=title_of(result),
        box=box.SIMPLE_HEAVY,
        title_justify="left",
        pad_edge=False,
        caption=_caption(signature, summary, references),
        caption_justify="left",
    )
    table.add_column("condition", no_wrap=True)
    if references:
        table.add_column("model", no_wrap=True)
    table.add_column("utt.", justify="right")
    for label, metric, *_ in HEADLINE:
        table.add_column(label, justify="right", no_wrap=metric != "wer")  # in a narrow terminal the interval goes below its figure
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


def title_of(result: Result) -> str:
    """Return what was run on what, and how; and how far it is where it has not ended."""
    signature, left = result.signature(), result.rows_left()
    model = signature.model
    return (
        f"{model.id} on {signature.suite.label}, corpus {signature.corpus.name}"
        f" ({model.dtype}, {model.device}, {model.threads} threads, batch {signature.batch_size})"
        + (f"\nunfinished: {left[0]} of {left[1]} rows; the same `run` goes on" if left else "")
    )


def _caption(signature: Signature, summary: Mapping[str, Any], references: Mapping[str, Mapping[str, Any]]) -> str:
    intervals = summary["intervals"]
    speed = summary[POOLED]["metrics"].get("rtfx", {})
    rtfx = f"RTFx {speed['value']:.1f}" if speed.get("value") is not None else f"RTFx –: {speed.get('reason', 'not measured')}"
    return (
        f"Intervals: bootstrap over {intervals['clusters']} {intervals['resampled']}s, so they speak for {intervals['speaks_for']}. "
        f"Normaliser {summary['normalizer']['name']} v{summary['normalizer']['version']}. {rtfx}. {_context(signature)}"
        f"{_scaling(summary['temperature_scaling'])}{_ratios(signature, summary, references)}"
    )


def _context(signature: Signature) -> str:
    context = signature.model.decoding.get("audio_context")
    return f"Audio context: {context}. " if context else ""


def _scaling(fit: Mapping[str, Any]) -> str:
    if fit["temperature"] is None:
        return f"No temperature scaling: {fit['reason']}."
    edge = ", at the edge of the grid: the best may lie beyond" if fit["at_edge_of_grid"] else ""
    return f"Temperature {fit['temperature']:g}, fitted on {fit['dev_words']} dev words{edge}."


def _ratios(signature: Signature, summary: Mapping[str, Any], references: Mapping[str, Mapping[str, Any]]) -> str:
    families = {name: about.family or name for name, about in signature.conditions.items()}
    text = ""
    for model, other in references.items():
        rates, reference_rates = (
            {name: table["metrics"]["wer"]["value"] for name, table in one["conditions"].items() if name != signature.suite.baseline}
            for one in (summary, other)
        )
        ratio = mean_corruption_error_ratio(rates, reference_rates, families=families)
        shown = f"– ({ratio.reason})" if ratio.value is None else f"{ratio.value:.2f}"
        text += f" Mean corruption-error ratio to {model} (packaged): {shown}."
    return text
