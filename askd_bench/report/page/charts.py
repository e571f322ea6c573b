"""What a figure shows, apart from how it is drawn: series of points with intervals. Drawing and data table are both made of this."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from askd_bench.tables.format import number
from askd_bench.tables.model import DASH, Cell, Column, Table
from askd_bench.tables.printable import printable

Kind = Literal["severity", "curve", "reliability", "dots", "bars", "trade-off", "line"]

LONG_LABEL = 34
FEW_WORDS = 10
"""Bins of a reliability diagram with fewer words are marked, but no line goes through them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point.

    Attributes:
        x: a number, or the name of a category.
        y: the value; points without one are not drawn.
        low, high: its 95 % interval, None where there is none.
        n: how many items it rests on, None where that is no single number.
        mark: a second value beside it, for bars: drawn as a line across.
    """

    x: float | str
    y: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    mark: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one model (or family of conditions).

    `style` numbers its look, `detail` follows its name in the legend. An `open` series has hollow marks and no place in the legend: it
    stands beside the one before it.
    """

    label: str
    style: int
    points: tuple[Point, ...]
    detail: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure.

    Attributes:
        name: of its files, and unique in the page.
        title, caption: plain text; the caption says what the intervals and axes are.
        kind: how it is drawn.
        x_label, y_label: with units.
        series: what is drawn, in the legend's order.
        categories: of the x axis ("severity") or down the y axis ("dots", "bars"), in order.
        apart: the first category is drawn apart from the others.
        more_is_better: of x, for the line that joins the best trade-offs.
        extent: least and largest value of the value axis over all figures that are to be compared; None for this figure's own.
        value: what y is called in the data table. mark: what `Point.mark` is; "" where no point has one.
    """

    name: str
    title: str
    caption: str
    kind: Kind
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    categories: tuple[str, ...] = ()
    apart: bool = False
    more_is_better: bool = False
    extent: tuple[float, float] | None = None
    value: str = "value"
    mark: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value to be shown."""
        return self.extent or extent_of(self.series)

    @property
    def logarithmic(self) -> bool:
        """Whether the value axis is logarithmic above 1: rates in percent that reach far beyond 100 would flatten the others."""
        return self.kind in ("severity", "dots", "trade-off") and self.range[1] > LINEAR_UP_TO

    @property
    def description(self) -> str:
        """One sentence a series, for those who do not see the figure."""
        return " ".join(f"{series.label}: {_path(series)}." for series in self.series if series.points)


MOST_ROWS = 16
"""Conditions in one figure with a row each."""

LINEAR_UP_TO = 120.0
"""Largest value, in percent, that a linear axis is used for."""

_LOGARITHMIC = "The axis of values is logarithmic above 1: values far beyond 100 would flatten all others."


def table_of(chart: Chart) -> Table:
    """Return the data table of a figure: exactly the points that are drawn."""
    points = [(series.label, point) for series in chart.series for point in series.points]
    x_name = chart.y_label if chart.kind in ("dots", "bars") else chart.x_label
    columns = {
        "series": [Cell(text=label, sort=label) for label, _ in points],
        x_name: [_data_cell(p.x) for _, p in points],
        chart.value: [_data_cell(p.y) for _, p in points],
        "95 % interval": [_ends_cell(p) for _, p in points],
        "n": [Cell() if p.n is None else Cell(text=str(p.n), sort=p.n) for _, p in points],
        chart.mark: [_data_cell(p.mark) for _, p in points],
    }
    shown = {name: cells for name, cells in columns.items() if any(cell.text != DASH for cell in cells)}
    return Table(
        columns=tuple(Column(label=name) for name in shown),
        rows=tuple(zip(*shown.values(), strict=True)),
        title=f"Data of “{chart.title}”",
    )


def _ends_cell(point: Point) -> Cell:
    if point.low is None or point.high is None:
        return Cell()
    return Cell(text=f"{_short(point.low)} to {_short(point.high)}", sort=point.low)


def _data_cell(value: float | str | None) -> Cell:
    return Cell() if value is None else Cell(text=_short(value), sort=value)


def extent_of(series: Iterable[Series]) -> tuple[float, float]:
    """Return the least and the largest of all values and interval ends; (0, 1) where there are none."""
    ends = [end for one in series for p in one.points for end in (p.low, p.y, p.high, p.mark) if end is not None]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def on_one_scale(charts: Sequence[Chart]) -> list[Chart]:
    """Return figures that are to be compared, all with the range of values of all."""
    extent = extent_of(series for chart in charts for series in chart.series)
    return [noted(replace(chart, extent=extent)) for chart in charts]


def in_parts(chart: Chart) -> list[Chart]:
    """Return a figure of many rows as several of at most `MOST_ROWS`, all with the range of the whole."""
    count = -(-len(chart.categories) // MOST_ROWS)
    if count < 2:
        return [chart]
    size = -(-len(chart.categories) // count)
    parts = []
    for part in range(count):
        own = chart.categories[part * size : (part + 1) * size]
        series = (replace(one, points=tuple(point for point in one.points if point.x in own)) for one in chart.series)
        parts.append(
            replace(
                chart,
                name=f"{chart.name}-part-{part + 1}",
                title=f"{chart.title} ({part + 1} of {count})",
                categories=own,
                series=tuple(one for one in series if one.points),
                extent=chart.range,
            )
        )
    return [part for part in parts if part.series]


def noted(chart: Chart) -> Chart:
    """Return a figure whose caption says so where its axis is logarithmic."""
    return replace(chart, caption=f"{chart.caption} {_LOGARITHMIC}") if chart.logarithmic else chart


def point_of(x: float | str, estimate: Mapping[str, Any] | None, factor: float = 1.0) -> Point | None:
    """Return an estimate of a summary as a point, None where it has no value."""
    if estimate is None or estimate["value"] is None:
        return None
    low, high = (None if estimate[end] is None else factor * estimate[end] for end in ("low", "high"))
    return Point(x=x, y=factor * estimate["value"], low=low, high=high, n=estimate["n"])


def points_of(points: Iterable[Point | None]) -> tuple[Point, ...]:
    """Return those that are there."""
    return tuple(point for point in points if point is not None)


def slug(*parts: str) -> str:
    """Return a name fit for files and for ids of a page.

    >>> slug("noisy-v1", "my corpus", "WER")
    'noisy-v1-my-corpus-WER'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-.") or "figure"


def shortened(text: str, length: int = LONG_LABEL) -> str:
    """Return a label cut in its middle to at most `length` characters, without control characters, which no SVG can hold."""
    clean, half = printable(text), (length - 1) // 2
    return clean if len(clean) <= length else f"{clean[: length - 1 - half]}…{clean[len(clean) - half :]}"


def wrapped(text: str, length: int = 22) -> str:
    """Return a label in lines of about `length` characters, broken behind hyphens and spaces, whole as long as it is up to four lines.

    >>> print(wrapped("speech-shaped-8-12dB-rt60-0.5s-2m"))
    speech-shaped-8-12dB-
    rt60-0.5s-2m
    """
    lines = [""]
    for piece in re.findall(r"[^-\s]*[-\s]?", shortened(text, 4 * length)):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > length:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip(" ") for line in lines)


def _path(series: Series) -> str:
    points: Sequence[Point] = series.points
    shown = [points[0], max(points, key=lambda p: p.y), points[-1]] if len(points) > 3 else list(points)
    words = [f"{_short(p.y)} at {_short(p.x)}" for p in dict.fromkeys(shown)]
    return ", ".join(words) + (f" (largest and ends of {len(points)} points)" if len(points) > 3 else "")


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return value
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return number(value, digits=digits)
