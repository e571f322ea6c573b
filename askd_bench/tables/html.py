"""Tables as HTML: the macro `html_table` of `table.html.jinja`, and the script that sorts them by a press on a heading."""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from askd_bench.tables.printable import printable

_FOLDER = Path(__file__).parent


def environment(templates: Path) -> jinja2.Environment:
    """Return an environment for the templates of a folder, which may import `table.html.jinja`; every text is escaped and printable."""
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
