"""The tables of a comparison with the teacher, in the page's form: errors, inheritance, blind spots."""

from collections.abc import Callable, Sequence

from askd_bench.metrics.comparison import ConditionComparison, Versus
from askd_bench.metrics.estimate import Estimate
from askd_bench.report.page.inheritance_charts import Compared
from askd_bench.report.page.metric_tables import Cell, Heading, Line, MetricTable, cell
from askd_bench.report.page.sections import Section

_ABSENT = Estimate.absent("not compared")
_Row = Callable[[ConditionComparison], list[Cell]]

_VERSUS = (
    Heading("− {other}", "word error rate of the student minus that of the {other}, points", "lower is better"),
    Heading("p (Holm), {other}", "bootstrap p of that difference, corrected over conditions", ""),
    Heading("MAPSSWE p, {other}", "matched pairs test as in sclite, corrected over conditions", ""),
    Heading("detectable, {other}", "smallest difference that this corpus would show in four of five studies, points", ""),
    Heading("verdict, {other}", "what the tests say", ""),
)
_INHERITANCE: tuple[tuple[str, str, str, float, int], ...] = (
    ("inherited %", "inherited", "share of the teacher's errors that the student makes in the same way", 100, 1),
    ("expected %", "inherited_expected", "the same share for an independent student of equal error rate", 100, 1),
    ("excess", "inheritance_excess", "beyond chance: 0 independent, 1 a copy", 1, 2),
    ("conf. inherited %", "confident_inherited", "the same of substitutions that both hold with confidence above 0.7", 100, 1),
    ("conf. excess", "confident_inheritance_excess", "of those, beyond chance", 1, 2),
    ("kappa", "kappa", "agreement on which words are right, beyond chance", 1, 2),
    ("− control", "inherited_vs_control", "inherited share minus the control's, points", 100, 1),
    ("conf. − control", "confident_inherited_vs_control", "confident inherited share minus the control's, points", 100, 1),
)
_SPOTS = (
    ("handed down", "both wrong in the same way"),
    ("changed", "both wrong, in different ways"),
    ("mended", "teacher wrong, student right"),
    ("new", "teacher right, student wrong"),
    ("both right", "neither wrong"),
)


def comparison_tables(section: Section, compared: Sequence[Compared]) -> list[MetricTable]:
    """Return the three tables; none where nothing was compared."""
    done = [one for one in compared if one.comparison is not None]
    if not done:
        return []
    with_control = any(one.comparison.pooled.versus_control is not None for one in done if one.comparison is not None)
    inheritance = _INHERITANCE if with_control else _INHERITANCE[:-2]
    others = ("teacher", "control") if with_control else ("teacher",)
    versus = tuple(Heading(h.label.format(other=o), h.meaning.format(other=o), h.better) for o in others for h in _VERSUS)
    wer = (Heading("WER %", "word error rate of the student", "lower is better"), Heading("teacher WER %", "that of the teacher", ""))
    better = {label: "lower is better" for label, *_ in inheritance if label not in ("expected %", "kappa")}
    spots = tuple(Heading(label, meaning, "") for label, meaning in _SPOTS)
    return [
        _table(section, done, "versus", "Errors against the teacher's", (*wer, *versus), lambda row: _errors(row, with_control)),
        _table(
            section,
            done,
            "inheritance",
            "What became of the teacher's errors",
            tuple(Heading(label, meaning, better.get(label, "")) for label, _, meaning, *_ in inheritance),
            lambda row: [
                cell(row.inheritance.get(name, _ABSENT).as_dict(), factor, digits, signed="control" in label)
                for label, name, _, factor, digits in inheritance
            ],
        ),
        _table(section, done, "blind-spots", "Reference words by who gets them wrong", spots, _blind_spots),
    ]


def _table(section: Section, done: Sequence[Compared], name: str, title: str, headings: tuple[Heading, ...], cells: _Row) -> MetricTable:
    places = {condition: place for place, condition in enumerate(section.conditions)}
    lines = [_line(one, row, places[row.condition], cells) for one in done if one.comparison for row in one.comparison.conditions]
    pooled = [_line(one, one.comparison.pooled, len(places), cells) for one in done if one.comparison]
    return MetricTable(name, title, headings, tuple(sorted(lines, key=lambda line: line.place)), tuple(pooled))


def _line(one: Compared, row: ConditionComparison, place: int, cells: _Row) -> Line:
    left_out = f" ({row.left_out} left out)" if row.left_out else ""
    return Line(row.condition, place, one.name, one.entry.style, f"{row.utterances}{left_out}", tuple(cells(row)))


def _errors(row: ConditionComparison, with_control: bool) -> list[Cell]:
    cells = [cell(row.wer[system].as_dict(), 100, 1) for system in ("student", "teacher")]
    for versus in (row.versus_teacher, row.versus_control) if with_control else (row.versus_teacher,):
        cells += _versus(versus)
    return cells


def _versus(versus: Versus | None) -> list[Cell]:
    if versus is None:
        return [Cell("–", reason="this is the control")] * len(_VERSUS)
    detectable = versus.difference.detectable
    return [
        cell(versus.difference.difference.as_dict(), 100, 1, signed=True),
        _p(versus.p_holm),
        _p(versus.matched_pairs_p_holm),
        Cell("–", reason="too little data") if detectable is None else Cell(f"{100 * detectable:.1f}", "", detectable),
        Cell(versus.verdict),
    ]


def _p(p: float | None) -> Cell:
    return Cell("–", reason="no test") if p is None else Cell("< .001" if p < 0.001 else f"{p:.3f}", "", p)


def _blind_spots(row: ConditionComparison) -> list[Cell]:
    spots = row.blind_spots
    counts = (spots.handed_down, spots.changed, spots.mended, spots.new, spots.both_right)
    return [Cell(str(count), "", float(count)) for count in counts]
