"""`report`: the page and its figures, written once all of them are made."""

import base64
import hashlib
import importlib.metadata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from askd_bench.arguments import Several, StrPath, path_of, paths_of, whole_number_of
from askd_bench.errors import FigureWarning, UserError
from askd_bench.files import cannot_be, write_together
from askd_bench.report.page import drawing
from askd_bench.report.page.compose import Options, SectionView, compose
from askd_bench.report.page.gallery import DEFAULT_SIZE
from askd_bench.report.page.inheritance_charts import check_names
from askd_bench.report.page.latency_charts import read_latencies
from askd_bench.report.page.metric_tables import meanings
from askd_bench.report.page.palette import DARK, LIGHT, css_variables
from askd_bench.report.page.sections import open_sections
from askd_bench.tables.html import environment, sorting_script
from askd_bench.tables.printable import printable
from askd_bench.text import DEFAULT_NORMALISER

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: the page, and the files of figures."""

    page: Path
    figures: tuple[Path, ...]


def report(
    result_dirs: Several,
    *,
    out: StrPath = "report.html",
    figures: StrPath | None = None,
    teacher: str | None = None,
    control: str | None = None,
    gallery: int = DEFAULT_SIZE,
    seed: int = 0,
    latency: Several | None = None,
    suite: Several | None = None,
    noise_dir: StrPath | None = None,
    normalizer: str = DEFAULT_NORMALISER,
) -> Report:
    """Write one HTML page of one or several results that needs nothing else, no network either; the same bytes every time.

    Results of several models on the same suite and corpus stand side by side; each suite and corpus is a section.

    Args:
        result_dirs: of `run`.
        out: the page.
        figures: a folder for the page's figures as SVG and PNG; files of the same name are replaced.
        teacher: name of a model among the results: the others are compared with it as its students.
        control: name of a student trained on the truth alone.
        gallery: utterances of a section to listen to, with what each model wrote; 0 for none. Recordings are read again, and rendered.
        seed: of their choice.
        latency: what `bench --seconds ... --json` printed, one file a model or audio context; they share a figure in the first section.
        suite: files of suites that are not bundled, so that axes have names and the gallery has sound.
        noise_dir: noise recordings, where the run had some.
        normalizer: of all texts.

    Raises:
        UserError: bad input, or a file that cannot be written; nothing is written then.

    Warns:
        FigureWarning: a figure or a recording is not what a reader may take it for; the page says so too.
    """
    out, figures = path_of("out", out), None if figures is None else path_of("figures", figures)
    noise_dir = None if noise_dir is None else path_of("noise_dir", noise_dir)
    _check_out(out, figures)
    gallery = whole_number_of("gallery", gallery, least=0, allowed="0 for none, or more")
    sections = open_sections(paths_of("result_dirs", result_dirs), normalizer=normalizer, suites=paths_of("suite", suite or ()))
    check_names(sections, teacher=teacher, control=control)
    options = Options(teacher=teacher, control=control, gallery=gallery, seed=seed, normalizer=normalizer, noise_dir=noise_dir)
    first = replace(options, latencies=read_latencies(paths_of("latency", latency or ())))
    views = [compose(section, options if number else first) for number, section in enumerate(sections)]
    files = {out: page_of(views).encode("utf-8", "replace")}
    if figures is not None:
        for figure in (figure for view in views for part in view.parts for figure in part.figures):
            files[figures / f"{figure.chart.name}.svg"] = figure.svg
            files[figures / f"{figure.chart.name}.png"] = drawing.png(figure.chart)
    for folder in {path.parent for path in files}:
        with cannot_be("made", folder, argument="out"):
            folder.mkdir(parents=True, exist_ok=True)
    write_together(files, argument="out")
    for warning in (f"{view.title}: {warning}" for view in views for warning in view.warnings):
        warnings.warn(printable(warning), FigureWarning, stacklevel=2)
    return Report(out, tuple(path for path in files if path != out))


def page_of(views: Sequence[SectionView]) -> str:
    """Return the page as HTML. Every text goes through autoescaping; the only script is the page's own, named by its hash in the policy."""
    script = f"{sorting_script()}{(_TEMPLATES / 'page.js').read_text(encoding='utf-8')}"
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    colours = f":root {{ {css_variables(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {css_variables(DARK)} }} }}\n"
    template = environment(_TEMPLATES).get_template("page.html.jinja")
    return template.render(
        sections=views,
        models=list(dict.fromkeys(name for view in views for name, _ in view.models)),
        meanings=meanings(),
        style=Markup(colours + style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=importlib.metadata.version("askd-bench"),
    )


def _check_out(out: Path, figures: Path | None) -> None:
    if out.is_dir():
        raise UserError(f"out: {str(out)!r} is a folder (allowed: a file, e.g. report.html)")
    if figures is not None and figures.exists() and not figures.is_dir():
        raise UserError(f"figures: {str(figures)!r} is a file (allowed: a folder)")
