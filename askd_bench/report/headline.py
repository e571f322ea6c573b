"""What a person sees in the terminal: the headline table, with packaged results beside the run's own."""

from collections.abc import Mapping

from rich.console import Group

from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.robustness import MEAN_CORRUPTION_ERROR_RATIO, mean_corruption_error_ratio
from askd_bench.metrics.robustness import METRICS as PAIRED
from askd_bench.metrics.summary import POOLED
from askd_bench.report.reference_models import reference_summaries
from askd_bench.report.summaries import Summary, figure_cells, figure_of, headline_table, scaling_sentence, utterances_cell
from askd_bench.report.views import HEADLINE
from askd_bench.results import Result
from askd_bench.signature import Signature
from askd_bench.tables.format import column, estimate_cell
from askd_bench.tables.model import Cell, Column, Table
from askd_bench.tables.terminal import terminal_table

LEGEND = " · ".join(f"{METRICS[name].label}: {METRICS[name].meaning}" for name in HEADLINE)


def headline(result: Result) -> Group:
    """Return the headline table of a result, and a second one with packaged models on the same clips, all conditions pooled."""
    signature, summary, references = result.signature(), result.current_summary(), reference_summaries(result)
    own = headline_table(summary, title=title_of(result), caption=_caption(signature, summary))
    beside = [beside_table(signature, summary, references)] if references else []
    return Group(*map(terminal_table, (own, *beside)))


def beside_table(signature: Signature, summary: Summary, references: Mapping[str, Summary]) -> Table:
    """Return a row for the run's own model and for each packaged one on the same clips, pooled."""
    names = [name for name in HEADLINE if METRICS[name] not in PAIRED]
    models = {signature.model.id: summary} | {f"{model} (packaged)": other for model, other in references.items()}
    ratios = [Cell(), *(_ratio(signature, summary, other) for other in references.values())]
    rows = (
        (Cell(text=model), utterances_cell(one, POOLED), *figure_cells(one, POOLED, names), ratio)
        for (model, one), ratio in zip(models.items(), ratios, strict=True)
    )
    return Table(
        columns=(Column(label="model"), *(column(METRICS[name]) for name in ("utterances", *names, MEAN_CORRUPTION_ERROR_RATIO.name))),
        rows=tuple(rows),
        title="Beside packaged models on the same clips, all conditions pooled",
    )


def title_of(result: Result) -> str:
    """Return what was run on what, and how; and how far it is where it has not ended."""
    signature, left = result.signature(), result.rows_left()
    model = signature.model
    return (
        f"{model.id} on {signature.suite.label}, corpus {signature.corpus.name}"
        f" ({model.dtype}, {model.device}, {model.threads} threads, batch {signature.batch_size})"
        + (f"\nunfinished: {left[0]} of {left[1]} rows; the same `run` goes on" if left else "")
    )


def _caption(signature: Signature, summary: Summary) -> str:
    intervals = summary["intervals"]
    rtfx = estimate_cell(METRICS["rtfx"], figure_of(summary, POOLED, "rtfx"))
    return (
        f"Intervals: bootstrap over {intervals['clusters']} {intervals['resampled']}s, so they speak for {intervals['speaks_for']}. "
        f"Normaliser {summary['normalizer']['name']} v{summary['normalizer']['version']}. RTFx {_with_reason(rtfx)}. {_context(signature)}"
        f"{scaling_sentence(summary)}"
    )


def _context(signature: Signature) -> str:
    context = signature.model.decoding.get("audio_context")
    return f"Audio context: {context}. " if context else ""


def _ratio(signature: Signature, summary: Summary, other: Summary) -> Cell:
    families = {name: about.family or name for name, about in signature.conditions.items()}
    own, others = (
        {name: table["metrics"]["wer"]["value"] for name, table in one["conditions"].items() if name != signature.suite.baseline}
        for one in (summary, other)
    )
    return estimate_cell(MEAN_CORRUPTION_ERROR_RATIO, mean_corruption_error_ratio(own, others, families=families))


def _with_reason(cell: Cell) -> str:
    """Return a figure, or a dash and why there is none."""
    return f"{cell.text} ({cell.reason})" if cell.sort is None else cell.text
