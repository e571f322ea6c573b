"""Sections as Markdown, LaTeX and HTML. Every text that comes from data is escaped."""

import html
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from askd_bench.report.leaderboard.sheet import Cell, Column, Section, Table

PAGE = Path(__file__).parent / "page.html"

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
    blocks: list[str] = []
    elsewhere = False
    for number, section in enumerate(sections):
        if section.elsewhere and not elsewhere:
            blocks.append('<div class="elsewhere">')
            elsewhere = True
        blocks.append(_section(section, f"s{number}"))
    blocks += ["</div>"] if elsewhere else []
    contents = "".join(
        f'<li><a href="#s{number}">{html.escape(section.title)}</a></li>' for number, section in enumerate(sections) if section.level == 2
    )
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        intro="\n".join(f"<p>{html.escape(line)}</p>" for line in intro),
        contents=contents,
        sections="\n".join(blocks),
    )


def _section(section: Section, anchor: str) -> str:
    parts = [f'<h{section.level} id="{anchor}">{html.escape(section.title)}</h{section.level}>']
    parts += [f"<p>{html.escape(note)}</p>" for note in section.notes]
    if section.url:
        parts.append(f'<p>Source: <a href="{html.escape(section.url)}">{html.escape(section.url)}</a></p>')
    if section.table:
        parts.append(_html_table(section.table, section.title))
    if section.folded:
        summary, table = section.folded
        inner = _html_table(table, f"{section.title}. {summary}")
        parts.append(f"<details><summary>{html.escape(summary)}</summary>\n{inner}\n</details>")
    return "\n".join(parts)


def _html_table(table: Table, name: str) -> str:
    head = "".join(_heading(column, _is_text(table, position)) for position, column in enumerate(table.columns))
    lines = (
        "".join(_html_cell(cell, is_text=_is_text(table, position), heads_row=position == 0) for position, cell in enumerate(row))
        for row in table.rows
    )
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll" role="region" aria-label="{html.escape(name)}" tabindex="0">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _html_cell(cell: Cell, *, is_text: bool, heads_row: bool) -> str:
    tag, scope = ("th", ' scope="row"') if heads_row else ("td", "")
    sort = "" if cell.sort is None else f' data-sort="{html.escape(str(cell.sort))}"'
    interval = f' <span class="interval">{html.escape(cell.interval)}</span>' if cell.interval else ""
    return f"<{tag}{scope}{_kind(is_text)}{sort}>{html.escape(cell.text)}{interval}</{tag}>"


def _heading(column: Column, is_text: bool) -> str:
    about = f' title="{html.escape(column.about)}"' if column.about else ""
    return f'<th scope="col"{_kind(is_text)} aria-sort="none"><button type="button"{about}>{html.escape(column.label)}</button></th>'


def _is_text(table: Table, position: int) -> bool:
    return position == 0 or table.columns[position].text


def _kind(is_text: bool) -> str:
    return ' class="text"' if is_text else ""


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
