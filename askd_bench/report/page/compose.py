"""What a section of the page holds, in order: figures with their data, tables, comparisons, the gallery."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from askd_bench.report.comparison_tables import Student, comparison_tables
from askd_bench.report.groups import Grouped, table_by_group
from askd_bench.report.page import drawing
from askd_bench.report.page.charts import Chart, slug, table_of
from askd_bench.report.page.confidence_charts import reliability_charts, risk_charts, threshold_charts
from askd_bench.report.page.gallery import Gallery, gallery
from askd_bench.report.page.group_charts import Groups, group_charts, groups_of
from askd_bench.report.page.inheritance_charts import Compared, comparisons, inheritance_charts
from askd_bench.report.page.inline_svg import inline_svg
from askd_bench.report.page.latency_charts import Latency, latency_charts
from askd_bench.report.page.metric_tables import metric_tables
from askd_bench.report.page.notes import Run, notes, runs
from askd_bench.report.page.sections import Section
from askd_bench.report.page.severity_charts import confident_error_charts, error_charts
from askd_bench.report.page.tradeoff_charts import tradeoff_charts
from askd_bench.tables.model import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the page is asked for; see `report`."""

    teacher: str | None
    control: str | None
    gallery: int
    seed: int
    normalizer: str
    noise_dir: Path | None
    latencies: Sequence[Latency] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as SVG file, as an element of the page, and as a table."""

    chart: Chart
    svg: bytes
    inline: Markup
    data: Table


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section: a heading, what it tells, figures, and tables."""

    name: str
    title: str
    about: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """All of a section. `warnings` are what stands in the way of a comparison."""

    name: str
    title: str
    models: tuple[tuple[str, int], ...]
    runs: tuple[Run, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    parts: tuple[Part, ...]
    gallery: Gallery


def compose(section: Section, options: Options) -> SectionView:
    """Compute and draw all of a section."""
    compared = comparisons(section, teacher=options.teacher, control=options.control, normalizer=options.normalizer)
    exhibits = gallery(section, size=options.gallery, seed=options.seed, normalizer=options.normalizer, noise_dir=options.noise_dir)
    not_compared = [f"{one.name} is not compared: {one.reason}" for one in compared if one.comparison is None]
    if options.teacher is not None and not compared:
        not_compared.append(f"{options.teacher} is not compared with anything: it, or a student, has no result on this suite and corpus")
    return SectionView(
        name=section.name,
        title=section.title,
        models=tuple((entry.name, entry.style) for entry in section.entries),
        runs=tuple(runs(section)),
        notes=tuple(notes(section)),
        warnings=(*section.notes, *not_compared, *exhibits.problems),
        parts=tuple(part for part in _parts(section, compared, options) if part.figures or part.tables),
        gallery=exhibits,
    )


def _parts(section: Section, compared: Sequence[Compared], options: Options) -> Iterator[Part]:
    names: set[str] = set()

    def part(name: str, title: str, about: str, charts: Iterable[Chart], tables: Iterable[Table] = ()) -> Part:
        return Part(slug(section.name, "part", name), title, about, tuple(_figure(chart, names) for chart in charts), tuple(tables))

    yield part("tables", "Tables", "", (), metric_tables(section))
    yield part("errors", "Errors over conditions", "How much each condition costs.", error_charts(section))
    yield part(
        "reliability",
        "Reliability",
        "Is a confidence of 80 % right in 80 % of cases? The baseline beside the condition with the most errors.",
        reliability_charts(section),
    )
    yield part(
        "risk",
        "Risk and coverage",
        "Can confidence tell right from wrong? Of the words a model is surest of, how many are wrong.",
        risk_charts(section),
    )
    yield part(
        "confident-errors",
        "Confident errors over conditions",
        "Wrong words held with confidence above 0.7, per 100 words: what no threshold on confidence catches. Then over "
        "thresholds, and of substitutions alone.",
        [*confident_error_charts(section), *threshold_charts(section)],
    )
    if compared:
        yield part(
            "inheritance",
            f"Inherited from {options.teacher}",
            "Which of the teacher's errors a student repeats. Two systems that fail on the same mumbled word look related without any "
            "teaching; what isolates teaching is the difference to a control trained on the truth alone.",
            inheritance_charts(section, compared, options.teacher or ""),
            _compared(section, compared),
        )
    yield part("trade-offs", "Size and speed", "What robustness costs.", [*tradeoff_charts(section), *latency_charts(options.latencies)])
    groups = groups_of(section, options.normalizer)
    yield part(
        "groups",
        "Groups of speakers",
        "Whom does a model serve worse? The log-ratio is corrected for the bias of picking extremes.",
        group_charts(section, groups),
        _grouped(section, groups),
    )


def _compared(section: Section, compared: Sequence[Compared]) -> list[Table]:
    students = [Student(one.name, one.comparison, one.entry.style) for one in compared if one.comparison is not None]
    return comparison_tables(students, section.conditions) if students else []


def _grouped(section: Section, groups: Groups) -> list[Table]:
    models = [Grouped(entry.name, tables, entry.style) for entry, tables in zip(section.entries, groups, strict=False)]
    title = f"WER % by group ({section.corpus.group_is})"
    return [table_by_group(models, section.conditions, by="group", title=title)] if models else []


def _figure(chart: Chart, names: set[str]) -> Figure:
    name = next(n for n in (chart.name, *(f"{chart.name}-{k}" for k in range(2, len(names) + 3))) if n not in names)
    names.add(name)
    chart = replace(chart, name=name)
    svg = drawing.svg(chart)
    inline = Markup(inline_svg(svg, name=name, title=chart.title, description=chart.description))  # ElementTree has escaped all text
    return Figure(chart, svg, inline, table_of(chart))
