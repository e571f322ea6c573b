"""`compare`: a student beside its teacher, and beside a control trained without it, on the same audio."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.text import Text

from askd_bench.errors import UserError
from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.comparison import Comparison
from askd_bench.metrics.comparison import compare as compare_rows
from askd_bench.report.comparison_tables import Student, comparison_tables
from askd_bench.report.views import INHERITANCE
from askd_bench.results import Result
from askd_bench.signature import differences
from askd_bench.tables.printable import printable
from askd_bench.tables.terminal import terminal_table
from askd_bench.text import DEFAULT_NORMALISER

_EXPLAINED = ("p_holm", "matched_pairs_p_holm", "detectable")


def compare(student: Path, teacher: Path, *, control: Path | None = None, normalizer: str = DEFAULT_NORMALISER) -> Comparison:
    """Compare result directories.

    Args:
        student, teacher: result directories of the same suite and corpus.
        control: of a student trained on the truth alone: what it shares with the teacher was not handed down by the teacher.
        normalizer: of the texts.

    Raises:
        UserError: the results are not comparable, with what differs.
    """
    results = {"student": Result.open(student), "teacher": Result.open(teacher)}
    if control is not None:
        results["control"] = Result.open(control)
    base = results["student"].signature()
    for role, result in results.items():
        if different := base.of_other_speech(result.signature()):
            raise UserError(f"{role}: {result.path} is not comparable with the student's result: {'; '.join(different)}")
    return compare_rows(
        results["student"].rows(),
        results["teacher"].rows(),
        results["control"].rows() if control is not None else None,
        normalizer=normalizer,
    )


def decoded_differently(student: Path, teacher: Path, *, control: Path | None = None) -> list[str]:
    """Return how the others' decoding differs from the student's, e.g. 'teacher: audio_context: "margin 64" -> null'; it may."""
    own, *others = (Result.open(path).signature().model.decoding for path in (student, teacher, control) if path is not None)
    return [f"{role}: {one}" for role, other in zip(("teacher", "control"), others, strict=False) for one in differences(own, other)]


def comparison_view(comparison: Comparison, differing: Sequence[str] = ()) -> Group:
    """Return the tables of a comparison: errors, inheritance, blind spots; and what differs in how the models decode."""
    legend = (f"{METRICS[name].label}: {METRICS[name].meaning}" for name in (*_EXPLAINED, *INHERITANCE[:-2]))
    note = (
        f"Intervals and p: bootstrap over {comparison.clusters} {comparison.resampled}s, {comparison.resamples} resamples. "
        f"{'; '.join(legend)}."
    )
    if differing:
        note += f" Decoded differently, student -> other: {'; '.join(differing)}."
    tables = comparison_tables([Student("student", comparison)], [row.condition for row in comparison.conditions])
    return Group(*map(terminal_table, tables), Text(printable(note), style="dim"))
