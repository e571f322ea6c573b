"""What a table is, whatever it is written as."""

from dataclasses import dataclass

DASH = "–"
"""What is written where there is no value."""

MINUS = "−"

BY_ITSELF = 1
"""Priority of a column for which a terminal would rather put intervals below their figures than leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading.

    Attributes:
        label: the heading. meaning: what is below it, for those who point at it.
        text: words, not numbers: aligned to the left.
        priority: 0: shown at any width; the higher, the sooner it leaves a narrow terminal.
    """

    label: str
    meaning: str = ""
    text: bool = False
    priority: int = BY_ITSELF


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One entry.

    Attributes:
        text: what is written. strong: the same before it, in bold where there is bold.
        sort: what it is sorted by; None: last.
        interval: e.g. "[1.2, 3.4]"; "" where there is none. folded: it is shown on request only, and so in HTML alone.
        reason: why there is no value.
        style: number of a model's look, whose colour is put before it; None for none.
        muted: of less interest than other rows.
    """

    text: str = DASH
    strong: str = ""
    sort: float | str | None = None
    interval: str = ""
    folded: bool = False
    reason: str = ""
    style: int | None = None
    muted: bool = False

    @property
    def plain(self) -> str:
        """The text and, unless it is folded, its interval; without what is strong."""
        return " ".join(part for part in (self.text, "" if self.folded else self.interval) if part)

    @property
    def lines(self) -> list[str]:
        """The text and, unless it is folded, its interval, on a line each; without what is strong."""
        return [self.text, *([self.interval] if self.interval and not self.folded else [])]

    def __str__(self) -> str:
        return self.strong + self.plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells below columns; the first column names the row.

    Attributes:
        columns, rows: as many cells a row as there are columns.
        below: rows that stay below the others whatever they are sorted by, such as those that pool them.
        title, caption: above and below the table; "" for none.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    below: tuple[tuple[Cell, ...], ...] = ()
    title: str = ""
    caption: str = ""

    def is_text(self, position: int) -> bool:
        """Whether a column holds words: the first one always does."""
        return position == 0 or self.columns[position].text
