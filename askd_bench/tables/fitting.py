"""Which columns of a table a terminal has room for, and how wide each of them is."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len

from askd_bench.tables.model import BY_ITSELF, Cell, Table
from askd_bench.tables.printable import printable

_LONGEST_WORD = 33
_GAP = 2
"""Between two columns, and at both edges together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A table at a width.

    Attributes:
        widths: place of a column -> its width in characters, for the columns that are shown, in order.
        broken: intervals go below their figures.
        left_out: labels of the columns that are not shown, in order.
    """

    widths: dict[int, int]
    broken: bool
    left_out: tuple[str, ...]


def fit(table: Table, width: int) -> Fitted:
    """Return what of a table is shown at a width in characters.

    Words wrap; a number never does. Where that is not enough, columns leave by their priority, the rightmost first among equals: first
    those for a wide screen; then intervals go below their figures; then all others leave but those of priority 0 and the first one.
    """
    kept, broken = list(range(len(table.columns))), False
    while _needed(table, kept, broken=broken) > width:
        least = max(kept[1:], key=lambda place: (table.columns[place].priority, place), default=0)
        if least and table.columns[least].priority > (0 if broken else BY_ITSELF):
            kept.remove(least)
        elif broken:
            break
        else:
            broken = True
    left_out = tuple(column.label for place, column in enumerate(table.columns) if place not in kept)
    return Fitted(widths=_widths(table, kept, width, broken=broken), broken=broken, left_out=left_out)


def _needed(table: Table, kept: Iterable[int], *, broken: bool) -> int:
    return sum(_least(table, place, broken=broken) + _GAP for place in kept)


def _widths(table: Table, kept: Iterable[int], width: int, *, broken: bool) -> dict[int, int]:
    """Give each column the least it needs, and what is left to the words that would wrap, from the left."""
    widths = {place: _least(table, place, broken=broken) for place in kept}
    spare = width - sum(least + _GAP for least in widths.values())
    for place in widths:
        more = max(0, min(spare, _most(table, place, broken=broken) - widths[place]))
        widths[place] += more
        spare -= more
    return widths


def _least(table: Table, place: int, *, broken: bool) -> int:
    """Return the width below which a number or a word would be cut; only words longer than any name we give are."""
    label = _longest(table.columns[place].label.split())
    if table.is_text(place):
        words = (word for cell in _cells(table, place) for word in str(cell).split())
        return max(1, min(_LONGEST_WORD, max(label, _longest(words))))
    return max(1, label, _most_of_cells(table, place, broken=broken))


def _most(table: Table, place: int, *, broken: bool) -> int:
    return max(_longest([table.columns[place].label]), _most_of_cells(table, place, broken=broken))


def _most_of_cells(table: Table, place: int, *, broken: bool) -> int:
    return _longest(f"{cell.strong}{line}" for cell in _cells(table, place) for line in (cell.lines if broken else [cell.plain]))


def _cells(table: Table, place: int) -> Iterable[Cell]:
    return (row[place] for row in (*table.rows, *table.below))


def _longest(texts: Iterable[str]) -> int:
    return max((cell_len(line) for text in texts for line in printable(text).splitlines()), default=0)
