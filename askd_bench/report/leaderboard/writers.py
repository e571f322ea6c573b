"""Sections as Markdown, LaTeX and HTML. Every text that comes from data is escaped."""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from askd_bench.report.leaderboard.sheet import Section, Table
from askd_bench.report.page.palette import DARK, LIGHT, css_variables

PAGE = "page.html.jinja"

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "Δ": r"$\Delta$",
}


def markdown(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """Return a Markdown page; folded tables are in `<details>`."""
    parts = [f"# {_md(title)}", *map(_md, intro)]
    for section in sections:
        parts += [f"{'#' * section.level} {_md(section.title)}", *map(_md, section.notes)]
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


def markdown_table(table: Table) -> str:
    """Return a table as Markdown."""
    align = ["---" if _is_text(table, position) else "---:" for position in range(len(table.columns))]
    lines = [
        [_md(column.label) for column in table.columns],
        align,
        *([f"{_md(cell.text)} {cell.interval}".rstrip() for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex(intro: Sequence[str], sections: Sequence[Section]) -> str:
    r"""Return the sections' tables as LaTeX (`\usepackage{booktabs}`), without those that are folded away."""
    parts = ["".join(f"% {line}\n" for line in intro).rstrip("\n")]
    for section in sections:
        if section.table:
            caption = ". ".join([section.title, *section.notes])
            parts.append(
                f"\\begin{{table*}}\n\\centering\\footnotesize\n\\caption{{{_tex(caption)}}}\n{_tabular(section.table)}\n\\end{{table*}}"
            )
    return "\n\n".join(parts) + "\n"


def page(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """Return an HTML page that needs nothing else; its tables are sorted by a press on a heading."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    colours = {"light": Markup(css_variables(_chosen(LIGHT))), "dark": Markup(css_variables(_chosen(DARK)))}
    return environment.get_template(PAGE).render(title=title, intro=intro, sections=list(sections), **colours).lstrip()


def _chosen(palette: Mapping[str, str]) -> Mapping[str, str]:
    return {name: palette[name] for name in ("page", "ink", "muted", "grid")}


def _is_text(table: Table, position: int) -> bool:
    return position == 0 or table.columns[position].text


def _tabular(table: Table) -> str:
    align = "".join("l" if _is_text(table, position) else "r" for position in range(len(table.columns)))
    lines = [" & ".join(_tex(column.label) for column in table.columns) + r" \\", r"\midrule"]
    lines += [" & ".join(_tex(str(cell)) for cell in row) + r" \\" for row in table.rows]
    body = "\n".join(lines)
    return f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}"


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _tex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
