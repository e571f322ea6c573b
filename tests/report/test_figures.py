"""Figures show what summaries, rows and comparisons say, the same bytes every time, in colours that anyone can tell apart."""

import hashlib
import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from html_tree import tree
from page_results import REAL, TEACHER, some_rows, write_result
from PIL import Image

from askd_bench.report.compare import compare
from askd_bench.report.page import drawing
from askd_bench.report.page.build import report
from askd_bench.report.page.charts import Chart, Point, Series, in_parts, shortened, slug, table_of, wrapped
from askd_bench.report.page.confidence_charts import reliability_charts, risk_charts, threshold_charts
from askd_bench.report.page.inheritance_charts import comparisons, inheritance_charts
from askd_bench.report.page.inline_svg import inline_svg
from askd_bench.report.page.palette import DARK, LIGHT, contrast, style
from askd_bench.report.page.sections import Section, open_sections
from askd_bench.report.page.severity_axes import axes_of
from askd_bench.report.page.severity_charts import confident_error_charts, error_charts
from askd_bench.report.page.tradeoff_charts import tradeoff_charts
from askd_bench.suites import bundled_suites, load_suite
from askd_bench.text import DEFAULT_NORMALISER

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def real() -> Section:
    return open_sections([REAL / "dialogue"], normalizer=DEFAULT_NORMALISER)[0]


@pytest.fixture(scope="module")
def models(family: Any) -> Section:
    return open_sections([family.teacher, family.kd, family.askd, family.control], normalizer=DEFAULT_NORMALISER)[0]


def chart(kind: Any = "severity", *series: Series, **options: Any) -> Chart:
    default = Series(label="m", style=0, points=(Point(x="a", y=5.0, low=4.0, high=6.0, n=7), Point(x="b", y=50.0)))
    about: dict[str, Any] = {"name": "c", "title": "T", "caption": "C", "x_label": "x", "y_label": "y", "categories": ("a", "b")}
    return Chart(kind=kind, series=series or (default,), **(about | options))


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


# --- what they show -----------------------------------------------------------------------------------------------------------------------


def test_error_rates_are_those_of_the_summary(real: Section) -> None:
    [figure] = error_charts(real)
    [entry] = real.entries
    assert figure.x_label == "SNR, dB"
    assert figure.categories == ("clean", "10", "0"), "from mild to harsh"
    shown = {(series.label, point.x): point for series in figure.series for point in series.points}
    assert len(shown) == len(real.conditions) == 8
    for condition, (label, x) in {"clean": ("clean", "clean"), "babble-0dB": ("babble", "0"), "music-0dB": ("music", "0")}.items():
        wer = entry.summary["conditions"][condition]["metrics"]["wer"]
        point = shown[label, x]
        assert (point.y, point.low, point.high, point.n) == (100 * wer["value"], 100 * wer["low"], 100 * wer["high"], wer["n"])


def test_several_models_share_a_figure_and_a_scale(models: Section) -> None:
    white, other = error_charts(models)
    assert [series.label for series in white.series] == [TEACHER, "kd", "askd", "control"]
    assert white.extent == other.extent
    assert [point.x for point in white.series[1].points] == ["clean", "10", "0"]
    assert other.kind == "dots"
    assert other.categories == ("clean", "babble-0dB"), "babble has one severity here, no axis"
    kd = models.entries[1]
    for figure in confident_error_charts(models):
        for series in figure.series:
            if series.label == "kd":
                for condition, point in zip(("clean", "white-10dB", "white-0dB"), series.points, strict=False):
                    if figure.kind == "severity":
                        assert point.y == kd.summary["conditions"][condition]["metrics"]["confident_errors_0.7"]["value"]


def test_rates_far_beyond_100_do_not_flatten_the_others(real: Section) -> None:
    [figure] = error_charts(real)
    assert figure.range[1] > 600
    assert figure.logarithmic
    assert "logarithmic above 1" in figure.caption
    axes = drawing.draw(figure).axes[0]
    height = {value: float(axes.transAxes.inverted().transform(axes.transData.transform((0, value)))[1]) for value in (10, 14.8, 20.2, 613)}
    assert height[20.2] - height[14.8] > 0.05, "clean and white noise stay apart"
    assert 0.85 < height[613] < 1
    assert height[10] >= 0
    labels = [text for text in texts(drawing.svg(figure)) if text.isdecimal()]
    assert {"20", "50", "100", "200", "500"} <= set(labels), "plain numbers, no powers"
    small = replace(figure, extent=(0.0, 90.0))
    assert not small.logarithmic
    assert drawing.draw(small).axes[0].get_ylim()[0] == 0, "else a linear axis from nothing"


def test_zero_has_a_place_on_a_logarithmic_axis() -> None:
    series = Series(label="m", style=0, points=(Point(x="a", y=0.0, low=0.0, high=0.5), Point(x="b", y=400.0)))
    figure = chart("severity", series)
    axes = drawing.draw(figure).axes[0]
    assert axes.transAxes.inverted().transform(axes.transData.transform((0, 0.0)))[1] == pytest.approx(0, abs=1e-6)


def test_axes_follow_the_suite_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    result = write_result(tmp_path, "m", some_rows(16))
    [section] = open_sections([result], normalizer=DEFAULT_NORMALISER)
    found = {axis.family: axis for axis in axes_of(section)}
    assert found["babble"].conditions == ("babble-10dB", "babble-0dB")
    backwards = replace(section, conditions=section.conditions[::-1])
    assert {axis.family: axis for axis in axes_of(backwards)} == found
    unknown = axes_of(replace(section, suite=None))
    assert {axis.name for axis in unknown} == {"severity"}
    assert {axis.conditions for axis in unknown} == {axis.conditions for axis in found.values()}


def test_reliability_is_that_of_the_summary(real: Section) -> None:
    clean, worst = reliability_charts(real)
    assert (clean.title, worst.title) == ("Reliability: clean", "Reliability: babble-0dB")
    for figure, condition in ((clean, "clean"), (worst, "babble-0dB")):
        bins = real.entries[0].summary["conditions"][condition]["reliability"]
        expected = [(b["mean_confidence"], b["accuracy"], b["count"]) for b in bins if b["count"]]
        got = [(float(point.x), point.y, point.n) for point in figure.series[0].points]
        assert got == [pytest.approx(one, abs=1e-6) for one in expected]
    assert clean.series[0].detail == "", "too few words for an ECE"
    [many] = open_sections([REAL.parent / "clean-v1" / "dialogue"], normalizer=DEFAULT_NORMALISER)
    ece = many.entries[0].summary["conditions"]["clean"]["metrics"]["ece"]["value"]
    assert reliability_charts(many)[0].series[0].detail == f"ECE {ece:.3f}"


def test_risk_at_full_coverage_is_the_share_of_wrong_words(real: Section) -> None:
    for figure, condition in zip(risk_charts(real), ("clean", "babble-0dB"), strict=True):
        counts = real.entries[0].summary["conditions"][condition]["counts"]
        said = counts["hits"] + counts["substitutions"] + counts["insertions"]
        last = figure.series[0].points[-1]
        assert (float(last.x), last.y) == pytest.approx((100, 100 * (1 - counts["hits"] / said)))
        stored = real.entries[0].summary["conditions"][condition]["risk_coverage"]
        shares = {round(float(point.x)): point.y for point in figure.series[0].points}
        assert shares[50] == pytest.approx(100 * stored["risk"][9], abs=0.3)


def test_errors_over_thresholds_are_those_of_the_summary(real: Section) -> None:
    charts = threshold_charts(real)
    assert [chart.title.split(": ")[1] for chart in charts] == ["clean", "babble-0dB"] * 2
    for chart, (name, factor) in zip(charts, [("confident_errors", 1)] * 2 + [("confident_substitution_share", 100)] * 2, strict=True):
        metrics = real.entries[0].summary["conditions"][chart.title.split(": ")[1]]["metrics"]
        drawn = {round(float(point.x)): point.y for point in chart.series[0].points}
        for t in (0.1, 0.5, 0.7, 0.9):
            assert drawn[round(100 * t)] == pytest.approx(factor * metrics[f"{name}_{t}"]["value"], abs=1e-3)


def test_inheritance_is_that_of_compare(models: Section, family: Any) -> None:
    found = comparisons(models, teacher=TEACHER, control="control", normalizer=DEFAULT_NORMALISER)
    errors, confident = inheritance_charts(models, found, TEACHER)
    assert [series.label for series in errors.series] == ["kd", "askd", "control (control)"]
    assert errors.categories == ("clean", "white-10dB", "white-0dB", "babble-0dB", "pooled")
    comparison = compare(family.askd, family.teacher)
    for figure, name in ((errors, "inherited"), (confident, "confident_inherited")):
        points = {point.x: point for point in figure.series[1].points}
        for row in (*comparison.conditions, comparison.pooled):
            estimate = row.inheritance[name]
            if estimate.value is not None:
                assert points[row.condition].y == pytest.approx(100 * estimate.value)
    expected = comparison.pooled.inheritance["inherited_expected"].value
    assert expected is not None
    assert next(p for p in errors.series[1].points if p.x == "pooled").mark == pytest.approx(100 * expected)
    assert comparisons(models, teacher=None, control=None, normalizer=DEFAULT_NORMALISER) == []


def test_trade_offs_pool_all_but_the_baseline(models: Section) -> None:
    size, speed = tradeoff_charts(models)
    entry = models.entries[1]
    counts = [entry.summary["conditions"][c]["counts"] for c in ("white-10dB", "white-0dB", "babble-0dB")]
    errors = sum(c["substitutions"] + c["deletions"] + c["insertions"] for c in counts)
    filled = next(series for series in size.series if series.label == "kd")
    hollow = next(series for series in size.series if series.label == "kd, clean")
    assert filled.points[0].y == pytest.approx(100 * errors / sum(c["reference_words"] for c in counts))
    assert hollow.open
    assert hollow.points[0].y == pytest.approx(100 * entry.summary["conditions"]["clean"]["metrics"]["wer"]["value"])
    assert float(filled.points[0].x) == 29.0
    assert [series.label for series in speed.series if not series.open] == ["kd", "askd", "control"], "RTFx of the teacher is null"
    assert f"Not known of {TEACHER}." in speed.caption
    assert tradeoff_charts(replace(models, entries=models.entries[:1])) == [], "one model is no trade-off"


@pytest.mark.parametrize(("more_is_better", "front"), [(False, [(10, 30), (20, 12)]), (True, [(20, 12), (30, 20), (40, 25)])])
def test_the_front_joins_what_no_other_beats(more_is_better: bool, front: list[tuple[float, float]]) -> None:
    points = [(10, 30), (20, 12), (30, 20), (40, 25)]
    series = [Series(label=str(x), style=k, points=(Point(x=x, y=y),)) for k, (x, y) in enumerate(points)]
    figure = drawing.draw(chart("trade-off", *series, categories=(), more_is_better=more_is_better))
    [step] = [line for line in figure.axes[0].lines if line.get_drawstyle() == f"steps-{'pre' if more_is_better else 'post'}"]
    assert list(zip(*map(np.ndarray.tolist, step.get_data(orig=True)), strict=True)) == front  # type: ignore[arg-type]


def test_the_data_table_is_what_is_drawn(models: Section) -> None:
    for figure in [*error_charts(models), *reliability_charts(models), *tradeoff_charts(models)]:
        table = table_of(figure)
        points = [(series.label, point) for series in figure.series for point in series.points]
        assert len(table.rows) == len(points)
        assert all(len(row) == len(table.columns) for row in table.rows)
        for row, (label, point) in zip(table.rows, points, strict=True):
            assert row[0].text == label
            assert float(row[2].text) == pytest.approx(point.y, rel=0.01, abs=0.001)
        assert all(series.label in figure.description for series in figure.series)


# --- how they are written -----------------------------------------------------------------------------------------------------------------


def test_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import hashlib, sys; sys.path[:0] = sys.argv[1:]; from test_figures import chart, drawing\n"
        "for kind in ('severity', 'bars'): print(*(hashlib.sha256(f(chart(kind))).hexdigest() for f in (drawing.svg, drawing.png)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "MPLCONFIGDIR": str(tmp_path), "SOURCE_DATE_EPOCH": "1"}
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\n")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, Path(__file__).parents[:2])],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    here = [[hashlib.sha256(f(chart(kind))).hexdigest() for f in (drawing.svg, drawing.png)] for kind in ("severity", "bars")]
    assert [line.split() for line in done.stdout.splitlines()] == here


def test_files_hold_no_date_and_real_text() -> None:
    svg = drawing.svg(chart(title="Babble at 0 dB"))
    assert b"date" not in svg.lower()
    assert "Babble at 0 dB" in texts(svg)
    image = Image.open(io.BytesIO(drawing.png(chart())))
    assert not {"Software", "Creation Time", "date"} & set(image.info)
    assert image.width == round(drawing.WIDTH_IN * drawing.PNG_DPI)
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_names_are_drawn_as_they_are_and_cannot_be_markup() -> None:
    bad = Series(label='<script>alert(1)</script>"&amp;$x_1$\x07', style=0, points=(Point(x="a", y=1.0), Point(x="b", y=2.0)), detail="d")
    svg = drawing.svg(chart("severity", bad, title="</title><b>"))
    assert "</title><b>" in texts(svg)
    assert any(text.startswith("<script>") and "$" in text for text in texts(svg))
    html = inline_svg(svg, name="n", title="</title><script>", description="</desc><img src=x>")
    parsed = tree(html)
    assert {element.tag for element in parsed.all()} <= {
        "svg",
        "title",
        "desc",
        "defs",
        "g",
        "path",
        "text",
        "use",
        "clippath",
        "rect",
        "tspan",
    }
    assert parsed.first("title").text == "</title><script>"


def test_inline_figures_do_not_meet_and_follow_the_theme(models: Section) -> None:
    figure = error_charts(models)[0]
    first, second = (tree(inline_svg(drawing.svg(figure), name=name, title="t", description="d")) for name in ("one", "two"))
    ids = [[element.attributes["id"] for element in parsed.all() if "id" in element.attributes] for parsed in (first, second)]
    assert not set(ids[0]) & set(ids[1])
    assert all(len(set(own)) == len(own) > 10 for own in ids)
    drawn = first.first("svg")
    assert not {"width", "height"} & drawn.attributes.keys(), "as wide as the page lets it"
    assert "viewbox" in drawn.attributes
    styles = " ".join(element.attributes.get("style", "") for element in first.all())
    outside = re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", styles)
    assert not re.findall(r"#[0-9a-fA-F]{3,6}", outside), "every colour is one of the theme's"
    assert {"--page", "--ink", "--s0", "--s3"} <= set(re.findall(r"--\w+", styles))


def test_nothing_is_cut_off(models: Section, real: Section) -> None:
    """The ink of every text lies inside the figure."""
    long = [replace(one, label="a-very-long-name-of-a-model/that-never-ends-and-goes-on-and-on") for one in error_charts(models)[0].series]
    figures = [error_charts(models)[0], reliability_charts(models)[0], tradeoff_charts(models)[0], *error_charts(real)]
    figures.append(replace(figures[0], series=tuple(long), title="A title that is longer than any figure is wide, by far and away"))
    for figure in figures:
        image = np.asarray(Image.open(io.BytesIO(drawing.png(figure))).convert("L"))
        for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
            assert edge.min() > 250, figure.title


def test_many_conditions_make_several_figures_of_one_scale() -> None:
    names = tuple(f"condition-{k}" for k in range(40))
    points = tuple(Point(x=name, y=float(k)) for k, name in enumerate(names))
    parts = in_parts(chart("bars", Series(label="m", style=0, points=points), categories=names))
    assert [part.title for part in parts] == ["T (1 of 3)", "T (2 of 3)", "T (3 of 3)"]
    assert tuple(name for part in parts for name in part.categories) == names
    assert tuple(point for part in parts for point in part.series[0].points) == points
    assert {part.range for part in parts} == {(0.0, 39.0)}
    assert len({part.name for part in parts}) == 3
    few = chart("bars")
    assert in_parts(few) == [few]


def test_long_names_of_conditions_stay_whole() -> None:
    """What tells conditions apart may be in the middle of their names."""
    names = [condition for suite in bundled_suites() for condition in load_suite(suite).conditions]
    assert max(map(len, names)) > 30
    for name in names:
        assert wrapped(name).replace("\n", "") == name
        assert max(map(len, wrapped(name).split("\n"))) <= 24


def test_costs_far_apart_stand_on_a_logarithmic_axis() -> None:
    series = [Series(label=str(x), style=k, points=(Point(x=x, y=10.0),)) for k, x in enumerate((38.0, 1550.0))]
    axes = drawing.draw(chart("trade-off", *series, categories=())).axes[0]
    assert axes.get_xscale() == "log"
    assert {"50", "100", "1000"} <= set(texts(drawing.svg(chart("trade-off", *series, categories=()))))


def test_names_of_files() -> None:
    assert slug("noisy-v1", "../../etc/passwd", "a b") == "noisy-v1-..-..-etc-passwd-a-b"
    assert "/" not in slug("/", "..")
    assert shortened("x" * 50) == "x" * 17 + "…" + "x" * 16
    assert shortened("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"


def test_the_files_are_the_pages_figures(tmp_path: Path) -> None:
    result = write_result(tmp_path, "m", some_rows(8, ("clean",)))
    done = report([result], out=tmp_path / "page.html", figures=tmp_path / "figures", gallery=0)
    in_page = {one.attributes["id"] for one in tree((tmp_path / "page.html").read_text()).all("figure")}
    assert {path.stem for path in done.figures} == in_page
    assert sorted(done.figures) == sorted((tmp_path / "figures").iterdir())
    assert sorted(path.suffix for path in done.figures) == [".png"] * len(in_page) + [".svg"] * len(in_page)


# --- colours ------------------------------------------------------------------------------------------------------------------------------

# Machado, Oliveira & Fernandes 2009, table 1, severity 1.0; on linear RGB
COLOUR_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: str, seen_as: list[list[float]]) -> Iterator[float]:
    """Yield CIE L*a*b* (D65) of a colour as seen by someone."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    xyz = to_xyz @ np.clip(np.array(seen_as) @ linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    yield from (116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2]))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("eyes", COLOUR_BLIND)
def test_six_series_can_be_told_apart_by_colour_alone(theme: dict[str, str], eyes: str) -> None:
    seen = [np.array([*lab(theme[f"s{k}"], COLOUR_BLIND[eyes])]) for k in range(6)]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 10


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(theme: dict[str, str]) -> None:
    assert contrast(theme["ink"], theme["page"]) > 7
    assert contrast(theme["muted"], theme["page"]) > 4.5
    assert all(contrast(theme[f"s{k}"], theme["page"]) > 3 for k in range(8)), "WCAG 2.2, 1.4.11"
    assert theme.keys() == LIGHT.keys()


def test_marks_tell_series_apart_without_colour() -> None:
    looks = [style(k) for k in range(72)]
    assert len({look.marker for look in looks[:9]}) == 9
    assert len({(look.colour, look.marker) for look in looks}) == 72
    assert len({(look.colour, look.hatch) for look in looks[:8]}) == 8
