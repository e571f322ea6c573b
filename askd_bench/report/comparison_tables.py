"""The tables of comparisons with a teacher: errors, what became of the teacher's errors, and blind spots."""

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


def comparison_tables(students: Sequence[Student], conditions: Sequence[str]) -> list[Table]:
    """Return the three tables, a row for each condition and student; conditions in the order given, pooled rows below."""
    with_control = any(one.comparison.pooled.versus_control is not None for one in students)
    others = ("teacher", "control") if with_control else ("teacher",)
    wer, inheritance = METRICS["wer"], INHERITANCE if with_control else INHERITANCE[:-2]

    def errors(row: ConditionComparison) -> list[Cell]:
        rates = [replace(estimate_cell(wer, row.wer.get(system, _ABSENT)), folded=True) for system in ("student", *others)]
        return [*rates, *_versus(row.versus_teacher, "teacher"), *(_versus(row.versus_control, "control") if with_control else ())]

    def inherited(row: ConditionComparison) -> list[Cell]:
        return [estimate_cell(METRICS[name], row.inheritance.get(name, _ABSENT)) for name in inheritance]

    def spots(row: ConditionComparison) -> list[Cell]:
        return [*_spots(row.blind_spots), *(_spots(row.control_blind_spots) if with_control else ())]

    rates = [replace(column(wer), label=f"{system} {wer.label}") for system in ("student", *others)]
    compared = [one for other in others for one in _versus_columns(other, suffix=f", {other}" if with_control else "")]
    words = [column(METRICS[name]) for name in BLIND_SPOTS]
    control_words = [replace(one, label=f"control: {one.label}") for one in words] if with_control else []
    return [
        _table(students, conditions, "Word errors", (*rates, *compared), errors),
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


def _versus_columns(other: str, *, suffix: str) -> list[Column]:
    tests = [replace(one, label=f"{one.label}{suffix}") for one in (column(METRICS[name]) for name in _TESTS)]
    return [column(METRICS[f"wer_minus_{other}"]), *tests, Column(label=f"verdict{suffix}", meaning="what the tests say", text=True)]


_TESTS = ("p_holm", "matched_pairs_p_holm", "detectable")


def _versus(versus: Versus | None, other: str) -> list[Cell]:
    if versus is None:
        return [Cell(reason=f"this is the {other}")] * (len(_TESTS) + 2)
    values = (versus.p_holm, versus.matched_pairs_p_holm, versus.difference.detectable)
    return [
        estimate_cell(METRICS[f"wer_minus_{other}"], versus.difference.difference),
        *(cell(METRICS[name], value, reason="too little data") for name, value in zip(_TESTS, values, strict=True)),
        Cell(text=versus.verdict, sort=versus.verdict),
    ]


def _spots(spots: BlindSpots | None) -> list[Cell]:
    return [cell(METRICS[name], getattr(spots, name, None), reason="this is the control") for name in BLIND_SPOTS]
