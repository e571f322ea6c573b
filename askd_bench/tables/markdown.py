"""Tables as Markdown."""

import re

from askd_bench.tables.model import Cell, Table
from askd_bench.tables.printable import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~]|&(?=#?\w+;))")


def markdown_text(text: str) -> str:
    r"""Return a text that Markdown shows as it is, on one line.

    >>> print(markdown_text("a|b_c\nd"))
    a\|b\_c d
    """
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).splitlines()) if "\n" in text else printable(text))


def markdown_table(table: Table) -> str:
    """Return a table as Markdown, without title and caption."""
    lines = [
        [markdown_text(column.label) for column in table.columns],
        ["---" if table.is_text(position) else "---:" for position in range(len(table.columns))],
        *(list(map(_cell, row)) for row in (*table.rows, *table.below)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    strong = f"**{markdown_text(cell.strong)}**" if cell.strong else ""
    return strong + " ".join(part for part in (markdown_text(cell.text), "" if cell.folded else cell.interval) if part)
