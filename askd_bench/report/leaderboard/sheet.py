"""What a page is made of, whatever it is written as: sections with paragraphs and tables."""

from dataclasses import dataclass

DASH = "–"
"""Stands where there is no figure."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, what it is sorted by (None: last), and its interval, e.g. "[1.2, 3.4]" ("": none)."""

    text: str
    sort: float | str | None = None
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.interval}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading, and how a record's value is shown below it.

    Attributes:
        label: the heading. about: what it means, where that is not plain.
        name: of the value in a record. factor, digits: a number is shown as `factor` times its value with that many decimals.
        interval: with `name_low` and `name_high`, where these are there. signed: with a plus sign.
        text: words, not numbers: aligned to the left.
    """

    label: str
    about: str = ""
    name: str = ""
    factor: float = 1.0
    digits: int = 1
    interval: bool = False
    signed: bool = False
    text: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below columns; the first column names the row."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


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
