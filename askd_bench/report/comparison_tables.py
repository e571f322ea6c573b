"""The tables of comparisons with a teacher: errors, as they are and capped, what became of the teacher's errors, and blind spots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.comparison import Comparison, ConditionComparison, Versus
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.inheritance import BlindSpots
from askd_bench.report.views import BLIND_SPOTS, INHERITANCE
from askd_bench.tables.format import cell, column, estimate_cell
from askd_bench.tables.model import Cell, Column, Table

_ABSENT = Estimate.absent("not compared")


@dataclass(frozen=True, slots=True)
class Student:
    """A student's name, its comparison, and the number of its look (None: it has none)."""

    name: str
    comparison: Comparison
    style: int | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """Word errors as they are or capped: the table's title, and where a comparison keeps them."""

    title: str
    rate: str
    difference: str
    p_holm: str
    verdict: str
    tests: tuple[str, ...]


_KINDS = (
    _Kind("Word errors", "wer", "difference", "p_holm", "verdict", ("p_holm", "matched_pairs_p_holm", "detectable")),
    _Kind(
        "Capped word errors: no utterance counts as more than all wrong, so that no loop carries them",
        "wer_capped",
        "capped",
        "capped_p_holm",
        "capped_verdict",
        ("p_holm", "detectable"),
    ),
)


def comparison_tables(students: Sequence[Student], conditions: Sequence[str]) -> list[Table]:
    """Return the four tables, a row for each condition and student; conditions in the order given, pooled rows below."""
    with_control = any(one.comparison.pooled.versus_control is not None for one in students)
    others = ("teacher", "control") if with_control else ("teacher",)
    inheritance = INHERITANCE if with_control else INHERITANCE[:-2]

    def errors(kind: _Kind) -> Callable[[ConditionComparison], list[Cell]]:
        def cells(row: ConditionComparison) -> list[Cell]:
            rates = getattr(row, kind.rate)
            shown = [replace(estimate_cell(METRICS[kind.rate], rates.get(system, _ABSENT)), folded=True) for system in ("student", *others)]
            return [*shown, *(one for other in others for one in _versus(getattr(row, f"versus_{other}"), other, kind))]

        return cells

    def columns(kind: _Kind) -> list[Column]:
        rate = column(METRICS[kind.rate])
        rates = [replace(rate, label=f"{system} {rate.label}") for system in ("student", *others)]
        return [*rates, *(one for other in others for one in _versus_columns(other, kind, suffix=f", {other}" if with_control else ""))]

    def inherited(row: ConditionComparison) -> list[Cell]:
        return [estimate_cell(METRICS[name], row.inheritance.get(name, _ABSENT)) for name in inheritance]

    def spots(row: ConditionComparison) -> list[Cell]:
        return [*_spots(row.blind_spots), *(_spots(row.control_blind_spots) if with_control else ())]

    words = [column(METRICS[name]) for name in BLIND_SPOTS]
    control_words = [replace(one, label=f"control: {one.label}") for one in words] if with_control else []
    return [
        *(_table(students, conditions, kind.title, columns(kind), errors(kind)) for kind in _KINDS),
        _table(students, conditions, "What became of the teacher's errors", [column(METRICS[name]) for name in inheritance], inherited),
        _table(students, conditions, "Blind spots: reference words by who gets them wrong", (*words, *control_words), spots),
    ]


def _table(
    students: Sequence[Student],
    conditions: Sequence[str],
    title: str,
    columns: Sequence[Column],
    cells: Callable[[ConditionComparison], list[Cell]],
) -> Table:
    named = len(students) > 1 or students[0].style is not None
    places = {condition: place for place, condition in enumerate(conditions)}

    def line(student: Student, row: ConditionComparison) -> tuple[Cell, ...]:
        left_out = f" ({row.left_out} left out)" if row.left_out else ""
        who = [Cell(text=student.name, sort=student.name, style=student.style)] if named else []
        count = Cell(text=f"{row.utterances}{left_out}", sort=float(row.utterances))
        place = float(places.get(row.condition, len(places)))
        return (Cell(text=row.condition, sort=place), *who, count, *cells(row))

    heading = (Column(label="condition"), *([Column(label="model", text=True)] if named else []), column(METRICS["utterances"]))
    rows = [(places[row.condition], line(one, row)) for one in students for row in one.comparison.conditions]
    return Table(
        columns=(*heading, *columns),
        rows=tuple(row for _, row in sorted(rows, key=lambda placed: placed[0])),
        below=tuple(line(one, one.comparison.pooled) for one in students),
        title=title,
    )


def _versus_columns(other: str, kind: _Kind, *, suffix: str) -> list[Column]:
    tests = [replace(one, label=f"{one.label}{suffix}") for one in (column(METRICS[name]) for name in kind.tests)]
    verdict = Column(label=f"verdict{suffix}", meaning="what swapped labels say, p (Holm) below .05", text=True)
    return [column(METRICS[f"{kind.rate}_minus_{other}"]), *tests, verdict]


def _versus(versus: Versus | None, other: str, kind: _Kind) -> list[Cell]:
    if versus is None:
        return [Cell(reason=f"this is the {other}")] * (len(kind.tests) + 2)
    difference = getattr(versus, kind.difference)
    values = {
        "p_holm": getattr(versus, kind.p_holm),
        "matched_pairs_p_holm": versus.matched_pairs_p_holm,
        "detectable": difference.detectable,
    }
    reasons = {"matched_pairs_p_holm": versus.matched_pairs.reason or ""}
    verdict = getattr(versus, kind.verdict)
    return [
        estimate_cell(METRICS[f"{kind.rate}_minus_{other}"], difference.difference),
        *(cell(METRICS[name], values[name], reason=reasons.get(name, "too little data")) for name in kind.tests),
        Cell(text=verdict, sort=verdict),
    ]


def _spots(spots: BlindSpots | None) -> list[Cell]:
    return [cell(METRICS[name], getattr(spots, name, None), reason="this is the control") for name in BLIND_SPOTS]
