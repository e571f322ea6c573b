"""Tables as HTML, and the script that sorts them by a press on a heading."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from askd_bench.tables.model import Table
from askd_bench.tables.printable import printable

_FOLDER = Path(__file__).parent


def environment(templates: Path) -> jinja2.Environment:
    """Return an environment for the templates of a folder, which may call `html_table`; every text is escaped and printable.

    The macro `swatch` of `table.html.jinja` shows the colour of a model's look.
    """
    made = _environment(templates)
    made.globals["html_table"] = html_table
    return made


def html_table(table: Table, name: str = "") -> Markup:
    """Return a table as HTML; `name` is what it is called where it has no title."""
    made: Markup = _macros().html_table(table, name or table.title)
    return made


def notebook_html(tables: Iterable[Table]) -> str:
    """Return tables below each other as a notebook shows them: without the page's style sheet and script."""
    style = ".askd-bench button {all: unset} .askd-bench .sr {display: none} .askd-bench .interval {opacity: 0.6}"
    return f'<div class="askd-bench"><style>{style}</style>{"".join(map(html_table, tables))}</div>'


@cache
def _macros() -> Any:
    return _environment(_FOLDER).get_template("table.html.jinja").module


def _environment(templates: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, _FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def sorting_script() -> Markup:
    """Return the script: a second press sorts the other way round, and what has no value stays last."""
    return Markup((_FOLDER / "sort.js").read_text(encoding="utf-8"))


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value
