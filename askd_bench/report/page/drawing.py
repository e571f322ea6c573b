"""Draws a chart with matplotlib: the same bytes every time, no global state."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from askd_bench.report.page.chart_kinds import KINDS, legend_label
from askd_bench.report.page.charts import Chart, Kind, Series, shortened, wrapped
from askd_bench.report.page.palette import LIGHT

WIDTH_IN = 4.4
PNG_DPI = 200
_INK, _MUTED, _GRID = (LIGHT[name] for name in ("ink", "muted", "grid"))

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "askd-bench",
    "text.parse_math": False,  # a model may be called $a$b
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=[_INK]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "text.color": _INK,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
}


def svg(chart: Chart) -> bytes:
    """Return the chart as SVG with real text, without date."""
    return _saved(chart, "svg", metadata={"Date": None, "Creator": None})


def png(chart: Chart) -> bytes:
    """Return the chart as PNG of `PNG_DPI` dots an inch on white."""
    return _saved(chart, "png", metadata={"Software": None}, dpi=PNG_DPI)


def figure_of(chart: Chart) -> Figure:
    """Return the chart as a figure of matplotlib, for callers in Python."""
    with _settings():
        return draw(chart)


def svg_of(figure: Figure) -> str:
    """Return what `figure_of` made as SVG for a notebook."""
    stream = io.StringIO()
    with _settings():
        figure.savefig(stream, format="svg")
    return stream.getvalue()


def _saved(chart: Chart, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    with _settings():
        draw(chart).savefig(stream, format=kind, **options)
    return stream.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names may be in any script
        yield


def draw(chart: Chart) -> Figure:
    """Return the figure; call within matplotlib settings of one's own, or use `svg` and `png`."""
    many = len(chart.categories) * max(1, len(chart.series))
    lines = sum(wrapped(name).count("\n") + 1 for name in chart.categories)
    heights: Mapping[Kind, float] = {
        "reliability": WIDTH_IN * 0.92,
        "dots": 1.0 + 0.28 * max(len(chart.categories), lines / 2) + 0.05 * many,
        "bars": 1.0 + 0.16 * len(chart.categories) + 0.16 * many,
    }
    named = [series for series in chart.series if not series.open]
    figure = Figure(figsize=(WIDTH_IN, heights.get(chart.kind, 2.9) + _legend_rows(named) * 0.19))
    axes = figure.add_subplot()
    KINDS[chart.kind](axes, chart)
    figure.suptitle(shortened(chart.title, 50), x=0.012, ha="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(chart.x_label)
    if chart.kind not in ("dots", "bars"):
        axes.set_ylabel(chart.y_label)
    if len(named) > 1 or any(series.detail for series in named) or chart.kind in ("trade-off", "bars"):
        figure.legend(loc="outside lower center", ncols=_legend_columns(named))
    return figure


def _legend_columns(series: list[Series]) -> int:
    longest = max((len(legend_label(one)) for one in series), default=0)
    return 3 if longest <= 13 and len(series) > 2 else 2 if longest <= 24 and len(series) > 1 else 1


def _legend_rows(series: list[Series]) -> int:
    return -(-len(series) // _legend_columns(series)) if series else 0
