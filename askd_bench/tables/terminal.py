"""Tables in the terminal, and where commands print."""

import os
import sys
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from askd_bench.tables.model import Cell, Table
from askd_bench.tables.printable import printable

_WIDE = 160


def console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; a pipe or a log has no width of its own, and tables need more than 80."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() or "COLUMNS" in os.environ else _WIDE)


def terminal_table(table: Table) -> TerminalTable:
    """Return a table for a console. What is in cells is text, never markup; where room is short, an interval goes below its figure."""
    shown = TerminalTable(
        title=_text(table.title) if table.title else None,
        caption=_text(table.caption) if table.caption else None,
        box=box.SIMPLE_HEAVY,
        title_justify="left",
        caption_justify="left",
        pad_edge=False,
    )
    for position, column in enumerate(table.columns):
        words = table.is_text(position)
        breaks = column.text or any(row[position].interval for row in (*table.rows, *table.below))
        justify: Literal["left", "right"] = "left" if words else "right"
        shown.add_column(_text(column.label), justify=justify, no_wrap=not breaks, overflow="fold" if words else "ellipsis")
    for row in table.rows:
        shown.add_row(*map(_cell, row))
    if table.below:
        shown.add_section()
    for row in table.below:
        shown.add_row(*map(_cell, row))
    return shown


def _text(text: str) -> Text:
    return Text(printable(text).replace("\t", " "))


def _cell(cell: Cell) -> Text:
    rest = _text(cell.plain)
    return Text.assemble((printable(cell.strong), "bold"), rest, style="dim" if cell.muted else "") if cell.strong or cell.muted else rest
