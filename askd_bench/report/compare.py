"""`compare`: a student beside its teacher, and beside a control trained without it, on the same audio."""

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from askd_bench.arguments import StrPath, path_of
from askd_bench.errors import UserError
from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.comparison import Comparison
from askd_bench.metrics.comparison import compare as compare_rows
from askd_bench.report.comparison_tables import Student, comparison_tables
from askd_bench.report.views import INHERITANCE
from askd_bench.report.winner import closing_lines
from askd_bench.results import Result
from askd_bench.rows import Key
from askd_bench.signature import differences
from askd_bench.tables.printable import printable
from askd_bench.tables.terminal import terminal_table
from askd_bench.text import DEFAULT_NORMALISER
from askd_bench.types import Row

_EXPLAINED = ("p_holm", "matched_pairs_p_holm", "detectable")


def compare(student: StrPath, teacher: StrPath, *, control: StrPath | None = None, normalizer: str = DEFAULT_NORMALISER) -> Comparison:
    """Compare result directories on the clips and conditions that all of them have.

    Args:
        student, teacher: result directories of the same suite and corpus.
        control: of a student trained on the truth alone: what it shares with the teacher, the training did not hand down.
        normalizer: of the texts.

    Raises:
        UserError: the results are not comparable, with what differs, or have no clip in common.
    """
    results = _opened(student, teacher, control)
    base = results["student"].signature()
    for role, result in results.items():
        if different := base.of_other_speech(result.signature()):
            raise UserError(f"{role}: {result.path} is not comparable with the student's result: {'; '.join(different)}")
    tables = [_reported(result) for result in results.values()]
    shared = _shared(tables)
    if not shared and all(tables):
        raise UserError(f"teacher: {teacher} has no clip in common with {student}, under no condition (allowed: results on common clips)")
    of_student, of_teacher, *of_control = ([row for row in table if _key(row) in shared] for table in tables)
    return compare_rows(of_student, of_teacher, *of_control, normalizer=normalizer)


def left_out(student: StrPath, teacher: StrPath, *, control: StrPath | None = None) -> list[str]:
    """Return whose clips are not compared since another result lacks them, e.g. "48 of the teacher's 192 (white-0dB, white-10dB)"."""
    results = _opened(student, teacher, control)
    tables = {role: [_key(row) for row in _reported(result)] for role, result in results.items()}
    shared = set.intersection(*map(set, tables.values()))
    told = []
    for role, keys in tables.items():
        lonely = [key for key in keys if key not in shared]
        conditions = dict.fromkeys(condition for condition, _ in lonely if condition not in {there for there, _ in shared})
        where = f" (among them all of {', '.join(conditions)})" if conditions else ""
        told += [f"{len(lonely)} of the {role}'s {len(keys)}{where}"] if lonely else []
    return told


def _opened(student: StrPath, teacher: StrPath, control: StrPath | None) -> dict[str, Result]:
    paths = {"student": student, "teacher": teacher} | ({"control": control} if control is not None else {})
    return {role: Result.open(path_of(role, path)) for role, path in paths.items()}


def _reported(result: Result) -> list[Row]:
    """Return the test rows; those of "dev" where there are no others."""
    rows = list(result.rows())
    return [row for row in rows if row.split != "dev"] or rows


def _shared(tables: Sequence[Sequence[Row]]) -> set[Key]:
    return set.intersection(*({_key(row) for row in table} for table in tables))


def _key(row: Row) -> Key:
    return row.condition, row.utterance


def decoded_differently(student: StrPath, teacher: StrPath, *, control: StrPath | None = None) -> list[str]:
    """Return how the others' decoding differs from the student's, e.g. 'teacher: audio_context: "margin 64" -> null'; it may."""
    own, *others = (Result.open(path).signature().model.decoding for path in (student, teacher, control) if path is not None)
    return [f"{role}: {one}" for role, other in zip(("teacher", "control"), others, strict=False) for one in differences(own, other)]


def comparison_view(
    comparison: Comparison, differing: Sequence[str] = (), lonely: Sequence[str] = (), *, power: float | None = None
) -> Group:
    """Return the tables of a comparison: errors, inheritance, blind spots; notes; and last, who makes fewer capped errors.

    Args:
        comparison: of results.
        differing: in how the models decode.
        lonely: what is left out.
        power: a difference in points of capped WER: the last line tells how many recordings show it.

    Raises:
        UserError: a difference out of range.
    """
    legend = (f"{METRICS[name].label}: {METRICS[name].meaning}" for name in (*_EXPLAINED, *INHERITANCE[:-2]))
    note = (
        f"Differences, their intervals and p: labels swapped in {comparison.clusters} {comparison.resampled}s, all renderings of one "
        f"together, {comparison.resamples} times; other intervals: bootstrap. "
        f"{'; '.join(legend)}."
    )
    if lonely:
        note += f" Compared on the clips that all results have; left out: {'; '.join(lonely)}."
    if differing:
        note += f" Decoded differently, student -> other: {'; '.join(differing)}."
    tables = comparison_tables([Student("student", comparison)], [row.condition for row in comparison.conditions])
    last = "\n".join(closing_lines(comparison, power=power))
    return Group(*map(terminal_table, tables), Text(printable(note), style="dim"), Text(printable(last), style="bold"))
