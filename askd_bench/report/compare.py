"""`compare`: a student beside its teacher, and beside a control trained without it, on the same audio."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from askd_bench.errors import UserError
from askd_bench.metrics.comparison import Comparison, ConditionComparison, Versus
from askd_bench.metrics.comparison import compare as compare_rows
from askd_bench.metrics.estimate import Estimate
from askd_bench.results import Result
from askd_bench.signature import differences
from askd_bench.text import DEFAULT_NORMALISER

_ABSENT = Estimate.absent("not compared")


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
    rows = [*comparison.conditions, comparison.pooled]
    note = (
        f"Intervals and p: bootstrap over {comparison.clusters} {comparison.resampled}s, {comparison.resamples} resamples; p (Holm) is "
        "corrected over conditions; MAPSSWE as in sclite. detectable: the smallest WER difference that this corpus would show in four of "
        "five studies. inherited: share of the teacher's errors that the student repeats in the same way; expected: from an independent "
        "student of equal WER; excess: 0 independent, 1 copy. Conf.: errors that both hold with confidence above 0.7."
    )
    if differing:
        note += f" Decoded differently, student -> other: {'; '.join(differing)}."
    return Group(_errors(rows), _inheritance(rows), _blind_spots(rows), Text(note, style="dim"))


def _errors(rows: list[ConditionComparison]) -> Table:
    systems = list(rows[0].wer)
    table = _table("Word errors", "condition", "utt.", *(f"{name} WER %" for name in systems))
    others = ["teacher"] + (["control"] if rows[0].versus_control else [])
    for other in others:
        for label in (f"− {other}, points", "p (Holm)", "MAPSSWE p", "detectable"):
            table.add_column(label, justify="right", no_wrap=True)
        table.add_column("verdict")
    for row in rows:
        left_out = f" ({row.left_out} left out)" if row.left_out else ""
        cells = [row.condition, f"{row.utterances}{left_out}", *(_percent(row.wer[name]) for name in systems)]
        for versus in (row.versus_teacher, row.versus_control):
            cells += _versus(versus) if versus else []
        table.add_row(*cells, end_section=row is rows[-2])
    return table


def _versus(versus: Versus) -> list[str]:
    detectable = versus.difference.detectable
    return [
        _interval(versus.difference.difference, 100, 1, signed=True),
        _p(versus.p_holm),
        _p(versus.matched_pairs_p_holm),
        "–" if detectable is None else f"{100 * detectable:.1f}",
        versus.verdict,
    ]


def _inheritance(rows: list[ConditionComparison]) -> Table:
    table = _table("Inheritance: what became of the teacher's errors", "condition")
    for label in ("inherited %", "expected %", "excess", "conf. inherited %", "conf. excess", "kappa"):
        table.add_column(label, justify="right", no_wrap=True)
    with_control = "inherited_vs_control" in rows[0].inheritance
    if with_control:
        table.add_column("− control, points", justify="right", no_wrap=True)
        table.add_column("conf. − control", justify="right", no_wrap=True)
    for row in rows:
        get = _getter(row.inheritance)
        cells = [
            row.condition,
            _interval(get("inherited"), 100, 0),
            _interval(get("inherited_expected"), 100, 0, bare=True),
            _interval(get("inheritance_excess"), 1, 2),
            _interval(get("confident_inherited"), 100, 0),
            _interval(get("confident_inheritance_excess"), 1, 2),
            _interval(get("kappa"), 1, 2),
        ]
        if with_control:
            cells += [_interval(get(f"{prefix}inherited_vs_control"), 100, 0, signed=True) for prefix in ("", "confident_")]
        table.add_row(*cells, end_section=row is rows[-2])
    return table


def _blind_spots(rows: list[ConditionComparison]) -> Table:
    table = _table("Blind spots: reference words by who gets them wrong", "condition")
    for label in ("handed down", "changed", "mended", "new", "both right"):
        table.add_column(label, justify="right")
    if rows[0].control_blind_spots:
        for label in ("control: same", "control: mended", "control: new"):
            table.add_column(label, justify="right")
    for row in rows:
        spots, other = row.blind_spots, row.control_blind_spots
        cells = [spots.handed_down, spots.changed, spots.mended, spots.new, spots.both_right]
        cells += [other.handed_down, other.mended, other.new] if other else []
        table.add_row(row.condition, *map(str, cells), end_section=row is rows[-2])
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAVY, title_justify="left", pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, no_wrap=True, justify="right" if position else "left")
    return table


def _getter(estimates: Mapping[str, Estimate]) -> Any:
    return lambda name: estimates.get(name, _ABSENT)


def _percent(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{100 * estimate.value:.1f}"


def _interval(estimate: Estimate, factor: float, digits: int, *, signed: bool = False, bare: bool = False) -> str:
    if estimate.value is None:
        return "–"
    sign = "+" if signed else ""
    text = f"{factor * estimate.value:{sign}.{digits}f}"
    if bare or estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{factor * estimate.low:{sign}.{digits}f}, {factor * estimate.high:{sign}.{digits}f}]"


def _p(p: float | None) -> str:
    return "–" if p is None else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"
