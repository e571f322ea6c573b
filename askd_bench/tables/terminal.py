"""Tables in the terminal, and where commands print."""

import os
import sys
from collections.abc import Iterator
from typing import Literal

from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table as RichTable
from rich.text import Text

from askd_bench.tables.fitting import Fitted, fit
from askd_bench.tables.model import Cell, Table
from askd_bench.tables.printable import printable

_WIDE = 160


def console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; a pipe or a log has no width of its own, and tables need more than 80."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() or "COLUMNS" in os.environ else _WIDE)


class TerminalTable:
    """A table that a console prints at its own width, by the priorities of its columns; see `fit`.

    What is in cells is text, never markup. A line below the table names the columns that were left out.
    """

    def __init__(self, table: Table) -> None:
        """Take the table; its width is asked for when it is printed."""
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RichTable | Text]:
        table, fitted = self._table, fit(self._table, options.max_width)
        if table.title:
            yield Text(_clean(table.title), style="table.title")
        yield _rich_table(table, fitted)
        if table.caption:
            yield Text(_clean(table.caption), style="table.caption")
        if fitted.left_out:
            yield Text(f"Left out at this width: {_clean(', '.join(fitted.left_out))}.", style="table.caption")


def terminal_table(table: Table) -> TerminalTable:
    """Return a table for a console."""
    return TerminalTable(table)


def _rich_table(table: Table, fitted: Fitted) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAVY, pad_edge=False, padding=(0, 1, 0, 0))
    for place, width in fitted.widths.items():
        words = table.is_text(place)
        justify: Literal["left", "right"] = "left" if words else "right"
        shown.add_column(Text(_clean(table.columns[place].label)), justify=justify, width=width, overflow="fold")
    for row in table.rows:
        shown.add_row(*(_cell(row[place], fitted) for place in fitted.widths))
    if table.below:
        shown.add_section()
    for row in table.below:
        shown.add_row(*(_cell(row[place], fitted) for place in fitted.widths))
    return shown


def _clean(text: str) -> str:
    return printable(text).replace("\t", " ")


def _cell(cell: Cell, fitted: Fitted) -> Text:
    rest = "\n".join(map(_clean, cell.lines)) if fitted.broken else _clean(cell.plain)
    return Text.assemble((_clean(cell.strong), "bold"), rest, style="dim" if cell.muted else "")
