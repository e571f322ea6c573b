"""What the leaderboard is made of, sections with paragraphs and tables, and how they are written as Markdown, LaTeX and HTML."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from askd_bench.report.page.palette import DARK, LIGHT, css_variables
from askd_bench.tables.html import environment, sorting_script
from askd_bench.tables.latex import latex_table, latex_text
from askd_bench.tables.markdown import markdown_table, markdown_text
from askd_bench.tables.model import Table

PAGE = "page.html.jinja"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading (level 2 or 3), paragraphs, lines of code, a table, and a second one that is folded away, under its title.

    `elsewhere` marks what others have published, to be set apart; `url` is its source.
    """

    title: str
    level: int = 2
    notes: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    table: Table | None = None
    folded: tuple[str, Table] | None = None
    url: str | None = None
    elsewhere: bool = False


def markdown(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """Return a Markdown page; folded tables are in `<details>`."""
    parts = [f"# {markdown_text(title)}", *map(markdown_text, intro)]
    for section in sections:
        parts += [f"{'#' * section.level} {markdown_text(section.title)}", *map(markdown_text, section.notes)]
        if section.url:
            parts.append(f"Source: <{section.url}>")
        if section.code:
            parts.append("\n".join(f"    {line}" for line in section.code))
        if section.table:
            parts.append(markdown_table(section.table))
        if section.folded:
            summary, table = section.folded
            parts.append(f"<details><summary>{html.escape(summary)}</summary>\n\n{markdown_table(table)}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def latex(intro: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the sections' tables as LaTeX, without those that are folded away."""
    parts = ["".join(f"% {line}\n" for line in intro).rstrip("\n")]
    for section in sections:
        if section.table:
            caption = latex_text(". ".join([section.title, *section.notes]))
            parts.append(
                f"\\begin{{table*}}\n\\centering\\footnotesize\n\\caption{{{caption}}}\n{latex_table(section.table)}\n\\end{{table*}}"
            )
    return "\n\n".join(parts) + "\n"


def page(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """Return an HTML page that needs nothing else; its tables are sorted by a press on a heading."""
    colours = {"light": Markup(css_variables(_chosen(LIGHT))), "dark": Markup(css_variables(_chosen(DARK)))}
    template = environment(Path(__file__).parent).get_template(PAGE)
    return template.render(title=title, intro=intro, sections=list(sections), sorting_script=sorting_script(), **colours).lstrip()


def _chosen(palette: Mapping[str, str]) -> Mapping[str, str]:
    return {name: palette[name] for name in ("page", "ink", "muted", "grid")}
