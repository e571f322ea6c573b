"""Figures of a comparison with the teacher: which of its errors each student repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from askd_bench.errors import UserError, unknown_name
from askd_bench.metrics.comparison import Comparison
from askd_bench.report.compare import compare
from askd_bench.report.page.charts import Chart, Point, Series, in_parts, slug
from askd_bench.report.page.sections import Entry, Section


@dataclass(frozen=True, slots=True)
class Compared:
    """A student, its comparison with the teacher, and whether it is the control itself; or the reason why there is none."""

    entry: Entry
    comparison: Comparison | None
    is_control: bool
    reason: str = ""

    @property
    def name(self) -> str:
        """The student's name, as it is shown."""
        return f"{self.entry.name} (control)" if self.is_control else self.entry.name


def check_names(sections: Sequence[Section], *, teacher: str | None, control: str | None) -> None:
    """Refuse names that no result has.

    Raises:
        UserError: unknown name, a control without a teacher, or one model as both.
    """
    names = {name for section in sections for entry in section.entries for name in _names(entry)}
    for role, name in (("teacher", teacher), ("control", control)):
        if name is not None and name not in names:
            raise unknown_name(role, name, names)
    if control is not None and teacher is None:
        raise UserError(f"control: {control!r} needs a teacher (allowed: together with teacher)")
    if control is not None and control == teacher:
        raise UserError(f"control: {control!r} is the teacher too (allowed: another model)")


def comparisons(section: Section, *, teacher: str | None, control: str | None, normalizer: str) -> list[Compared]:
    """Compare every student of a section with the teacher; none where the section lacks it."""
    master = next((entry for entry in section.entries if teacher in _names(entry)), None)
    if teacher is None or master is None:
        return []
    other = next((entry for entry in section.entries if control is not None and control in _names(entry)), None)
    found = []
    for entry in section.entries:
        if entry is master:
            continue
        beside = other.result.path if other is not None and other is not entry else None
        try:
            comparison = compare(entry.result.path, master.result.path, control=beside, normalizer=normalizer)
        except UserError as error:
            found.append(Compared(entry, None, entry is other, str(error)))
        else:
            found.append(Compared(entry, comparison, entry is other))
    return found


def inheritance_charts(section: Section, compared: Sequence[Compared], teacher: str) -> list[Chart]:
    """Return the shares of the teacher's errors, and of its confident ones, that each student repeats."""
    done = [(one, one.comparison) for one in compared if one.comparison is not None]
    charts: list[Chart] = []
    for prefix, what, mark in (
        ("", "errors", "expected of an independent student, %"),
        ("confident_", "confident errors", ""),
    ):
        series = []
        for one, comparison in done:
            points = []
            for row in (*comparison.conditions, comparison.pooled):
                share, expected = row.inheritance[f"{prefix}inherited"], row.inheritance["inherited_expected"]
                if share.value is not None:
                    points.append(
                        Point(
                            x=row.condition,
                            y=100 * share.value,
                            low=None if share.low is None else 100 * share.low,
                            high=None if share.high is None else 100 * share.high,
                            n=share.n,
                            mark=100 * expected.value if mark and expected.value is not None else None,
                        )
                    )
            series.append(Series(label=one.name, style=one.entry.style, points=tuple(points)))
        if not any(one.points for one in series):
            continue
        across = " The line across a bar: what an independent student of equal error rate would repeat." if mark else ""
        charts += in_parts(
            Chart(
                name=slug(section.name, "inherited", *what.split()),
                title=f"Inherited {what}",
                caption=f"{section.title}. Share of the {what} of {teacher} that a student makes in the same way. 95 % intervals.{across}",
                kind="bars",
                x_label=f"share of the teacher's {what}, %",
                y_label="condition",
                series=tuple(one for one in series if one.points),
                categories=_in_order(section, done[0][1]),
                extent=(0.0, 100.0),
                value="inherited, %",
                mark=mark,
            )
        )
    return charts


def _in_order(section: Section, comparison: Comparison) -> tuple[str, ...]:
    heard = {row.condition for row in comparison.conditions}
    return (*(condition for condition in section.conditions if condition in heard), comparison.pooled.condition)


def _names(entry: Entry) -> Mapping[str, None]:
    return dict.fromkeys((entry.name, entry.signature.model.id))
