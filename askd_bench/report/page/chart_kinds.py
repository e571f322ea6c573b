"""How each kind of chart is drawn into axes."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from askd_bench.report.page.charts import FEW_WORDS, Chart, Kind, Series, shortened, wrapped
from askd_bench.report.page.palette import LIGHT, Style, style

_INK, _MUTED, _GRID, _PAGE = (LIGHT[name] for name in ("ink", "muted", "grid", "page"))
_TICKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_LINEAR_BELOW = 1.0
_WIDE = 8.0
"""Costs that differ by more than that factor stand on a logarithmic axis."""


def legend_label(series: Series) -> str:
    """Return what stands in the legend."""
    return shortened(series.label) + (f" ({series.detail})" if series.detail else "")


def _line(look: Style) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "linestyle": look.dash, "markeredgecolor": _PAGE, "markeredgewidth": 0.6}


def _severity(axes: Axes, chart: Chart) -> None:
    places = {name: place for place, name in enumerate(chart.categories)}
    beside = [series for series in chart.series if not _alone(series, chart)]
    step = min(0.12, 0.5 / max(1, len(beside)))
    for series in chart.series:
        look = style(series.style)
        shift = 0.0 if series not in beside else (beside.index(series) - (len(beside) - 1) / 2) * step
        x = [places[str(point.x)] + shift for point in series.points]
        y = [point.y for point in series.points]
        split = 1 if chart.apart and series.points and series.points[0].x == chart.categories[0] else 0
        if split and len(x) > 1:  # the baseline is no step of the axis: a faint line leads there
            axes.plot(x[:2], y[:2], color=look.colour, alpha=0.4, linewidth=0.8, marker="")
        axes.plot(x[split:], y[split:], color=look.colour, linestyle=look.dash, marker="")
        _intervals(axes, series, x, y, vertical=True)
        axes.plot(x, y, **{**_line(look), "linestyle": ""})
        axes.plot([], [], **{**_line(look), **({"linestyle": ""} if len(x) < 2 else {})}, label=legend_label(series))
    axes.set_xticks(range(len(chart.categories)), [shortened(name, 16) for name in chart.categories])
    axes.set_xlim(-0.5, len(chart.categories) - 0.5)
    if chart.apart and len(chart.categories) > 1:
        axes.axvline(0.5, color=_GRID, linewidth=0.8)
    axes.grid(axis="x", visible=False)
    _scale(axes, chart, vertical=True)


def _alone(series: Series, chart: Chart) -> bool:
    """Whether a series is of the category that stands apart only, where it has no other beside it."""
    return chart.apart and all(point.x == chart.categories[0] for point in series.points)


def _intervals(axes: Axes, series: Series, x: list[float], y: list[float], *, vertical: bool) -> None:
    ends = [(p.low, p.high) if p.low is not None and p.high is not None else (p.y, p.y) for p in series.points]
    values = y if vertical else x
    size = np.array([[max(v - low, 0.0), max(high - v, 0.0)] for v, (low, high) in zip(values, ends, strict=True)]).reshape(-1, 2).T
    options: dict[str, Any] = {"fmt": "none", "ecolor": style(series.style).colour, "elinewidth": 1.1, "capsize": 2.2}
    options |= {"yerr": size} if vertical else {"xerr": size}
    axes.errorbar(x, y, **options)


def _scale(axes: Axes, chart: Chart, *, vertical: bool) -> None:
    least, most = chart.range
    if chart.logarithmic:
        low = 0.0 if least < _LINEAR_BELOW else max(tick for tick in _TICKS if tick <= least)
        high = most * 1.25
        (axes.set_yscale if vertical else axes.set_xscale)("symlog", linthresh=_LINEAR_BELOW, linscale=0.35)
        axis = axes.yaxis if vertical else axes.xaxis
        ticks = [tick for tick in _TICKS if low <= tick <= high]
        if not vertical and len(ticks) > 6:  # labels side by side need room
            ticks = [tick for tick in ticks if str(tick)[0] in "01"]
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        low, high = min(0.0, least), most + 0.06 * (most - min(0.0, least)) if most > 0 else 1.0
    if vertical:
        axes.set_ylim(low, high)
    else:
        axes.set_xlim(low, high)


def _curve(axes: Axes, chart: Chart) -> None:
    for series in chart.series:
        look = style(series.style)
        x, y = [float(p.x) for p in series.points], [p.y for p in series.points]
        axes.plot(x, y, **_line(look), markevery=max(1, len(x) // 6), label=legend_label(series))
    axes.set_xlim(0, 102)
    axes.set_ylim(0, chart.range[1] * 1.05 or 1.0)


def _line_with_marks(axes: Axes, chart: Chart) -> None:
    for series in chart.series:
        look = style(series.style)
        x, y = [float(p.x) for p in series.points], [p.y for p in series.points]
        axes.plot(x, y, **_line(look), label=legend_label(series))
        axes.plot(x, [p.mark or p.y for p in series.points], color=look.colour, linestyle="", marker="_")
    axes.set_xlim(0, 1.04 * max(float(p.x) for series in chart.series for p in series.points))
    axes.set_ylim(0, chart.range[1] * 1.05 or 1.0)


def _reliability(axes: Axes, chart: Chart) -> None:
    axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=0.9, linestyle=":")
    for series in chart.series:
        look = style(series.style)
        x, y = [float(p.x) for p in series.points], [p.y for p in series.points]
        counts = np.array([p.n or 0 for p in series.points], float)
        many = counts >= FEW_WORDS
        axes.plot(np.array(x)[many], np.array(y)[many], color=look.colour, linestyle=look.dash, linewidth=1.2, marker="")
        axes.scatter(
            x, y, s=8 + 110 * counts / counts.sum(), color=look.colour, marker=look.marker, edgecolors=_PAGE, linewidths=0.6, zorder=3
        )
        axes.plot([], [], **_line(look), label=legend_label(series))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


def _dots(axes: Axes, chart: Chart) -> None:
    step = 0.7 / max(1, len(chart.series))
    places = {name: place for place, name in enumerate(chart.categories)}
    for number, series in enumerate(chart.series):
        shift = (number - (len(chart.series) - 1) / 2) * step
        x, y = [p.y for p in series.points], [places[str(p.x)] + shift for p in series.points]
        _intervals(axes, series, x, y, vertical=False)
        axes.plot(x, y, **{**_line(style(series.style)), "linestyle": ""}, label=legend_label(series))
    _rows(axes, chart)
    _scale(axes, chart, vertical=False)


def _bars(axes: Axes, chart: Chart) -> None:
    height = 0.8 / max(1, len(chart.series))
    places = {name: place for place, name in enumerate(chart.categories)}
    for number, series in enumerate(chart.series):
        look = style(series.style)
        shift = (number - (len(chart.series) - 1) / 2) * height
        x, y = [p.y for p in series.points], [places[str(p.x)] + shift for p in series.points]
        options: dict[str, Any] = {"color": look.colour, "hatch": look.hatch, "edgecolor": _PAGE, "linewidth": 0.5}
        axes.barh(y, x, height=height, **options, label=legend_label(series))
        size = np.array([[0 if p.low is None else p.y - p.low, 0 if p.high is None else p.high - p.y] for p in series.points]).T
        axes.errorbar(x, y, xerr=size, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=1.8)
        marks = [(p.mark, at) for p, at in zip(series.points, y, strict=True) if p.mark is not None]
        axes.vlines(
            [mark for mark, _ in marks],
            [at - height / 2 for _, at in marks],
            [at + height / 2 for _, at in marks],
            colors=_INK,
            linewidth=2.2,
        )
    _rows(axes, chart)
    _scale(axes, chart, vertical=False)


def _rows(axes: Axes, chart: Chart) -> None:
    axes.set_yticks(range(len(chart.categories)), [wrapped(name) for name in chart.categories])
    axes.set_ylim(len(chart.categories) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


def _tradeoff(axes: Axes, chart: Chart) -> None:
    before: Series | None = None
    for series in chart.series:
        look = style(series.style)
        x, y = [float(p.x) for p in series.points], [p.y for p in series.points]
        if series.open and before is not None:
            axes.plot([float(before.points[0].x), x[0]], [before.points[0].y, y[0]], color=look.colour, alpha=0.5, linewidth=0.8)
        _intervals(axes, series, x, y, vertical=True)
        face = _PAGE if series.open else look.colour
        edge = look.colour if series.open else _PAGE
        axes.plot(
            x, y, color=look.colour, linestyle="", marker=look.marker, markersize=7, markerfacecolor=face, markeredgecolor=edge,
            label=None if series.open else legend_label(series),
        )  # fmt: skip
        before = series
    best = _front(chart)
    steps: Literal["pre", "post"] = "pre" if chart.more_is_better else "post"
    axes.step([x for x, _ in best], [y for _, y in best], where=steps, color=_MUTED, linewidth=1.0, linestyle="--", zorder=1)
    _scale(axes, chart, vertical=True)
    xs = [float(p.x) for series in chart.series for p in series.points]
    if max(xs) > _WIDE * min(xs):
        axes.set_xscale("log")
        axes.set_xlim(min(xs) / 1.3, max(xs) * 1.3)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(0, max(xs) * 1.12)


def _front(chart: Chart) -> list[tuple[float, float]]:
    """Return the filled points that no other beats in both, along the x axis."""
    sign = -1 if chart.more_is_better else 1
    points = sorted((sign * float(p.x), p.y) for series in chart.series if not series.open for p in series.points)
    best: list[tuple[float, float]] = []
    for cost, rate in points:
        if not best or rate < best[-1][1]:
            best.append((cost, rate))
    return sorted((sign * cost, rate) for cost, rate in best)


KINDS: Mapping[Kind, Callable[[Axes, Chart], None]] = {
    "severity": _severity,
    "curve": _curve,
    "reliability": _reliability,
    "dots": _dots,
    "bars": _bars,
    "trade-off": _tradeoff,
    "line": _line_with_marks,
}
"""Kind -> what draws it."""
