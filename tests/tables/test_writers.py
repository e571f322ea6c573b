"""Whatever is written in a cell, every format shows that text and nothing else, and keeps its columns."""

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from html_tree import tree
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markupsafe import Markup
from rich.console import Console

from askd_bench.tables.csv import csv_table
from askd_bench.tables.html import environment, html_table
from askd_bench.tables.latex import latex_table, latex_text
from askd_bench.tables.markdown import markdown_table
from askd_bench.tables.model import Cell, Column, Table
from askd_bench.tables.printable import printable
from askd_bench.tables.terminal import terminal_table

HOSTILE = [
    "a|b",
    "[bold]loud[/bold]",
    "[/",
    "<script>alert(1)</script>",
    "100 % & $x_1^2$ #{}~\\",
    "*a* _b_ `c` ~~d~~ [e](https://example.org)",
    "\x1b[31mred\x07\x00",
    "two\nlines",
    "&amp; &lt;",
    "\"quoted\" 'and' so",
    "=1+1",
    "שלום",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


def table_of(rows: list[tuple[str, str]], **more: object) -> Table:
    cells = tuple(tuple(Cell(text=text) for text in row) for row in rows)
    return Table(columns=(Column(label="name"), Column(label="value", text=True)), rows=cells, **more)  # type: ignore[arg-type]


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def markdown_cells(text: str) -> list[str]:
    """What a Markdown reader shows in the body of the table."""
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    return [one_line(cell.text) for cell in tree(html).all("td")]


@given(ROWS)
def test_markdown_shows_the_text(rows: list[tuple[str, str]]) -> None:
    text = markdown_table(table_of(rows))
    assert text.count("\n") == len(rows) + 1
    assert markdown_cells(text) == [one_line(cell) for row in rows for cell in row]


def test_markdown_has_intervals_and_what_is_strong() -> None:
    row = (Cell(text="a"), Cell(strong="shown", text=": lower", interval="[1, 2]"))
    text = markdown_table(Table(columns=(Column(label="x"), Column(label="y")), rows=(), below=(row,)))
    assert text.splitlines() == ["| x | y |", "| --- | ---: |", "| a | **shown**: lower [1, 2] |"]


@given(ROWS)
def test_html_shows_the_text(rows: list[tuple[str, str]]) -> None:
    body = tree(html_table(table_of(rows), 'of "it"')).first("tbody")
    assert [one_line(cell.text) for cell in body.all("th", "td")] == [one_line(cell) for row in rows for cell in row]
    assert {element.tag for element in body.all()} <= {"tr", "th", "td"}


def test_html_has_all_that_a_cell_may_have() -> None:
    cells = (
        Cell(text="m", style=3, sort="m"),
        Cell(text="1.0", sort=1.0, interval="[0, 2]", folded=True),
        Cell(reason="too <few>"),
        Cell(strong="yes", text="!"),
    )
    columns = (Column(label="model"), Column(label="n", meaning='what "n" is'), Column(label="e"), Column(label="v"))
    table = Table(columns=columns, rows=(cells,), below=(cells,), title="T <1>", caption="C & D")
    page = tree(html_table(table))
    assert page.first("caption").text == "T <1>"
    assert [button.attributes.get("title") for button in page.all("button")] == [None, 'what "n" is', None, None]
    assert page.first("p").text == "C & D"
    rows = [list(row.all("th", "td")) for row in page.all("tr")][1:]
    assert len(rows) == 2
    for model, figure, empty, verdict in rows:
        assert model.first("span").attributes["class"] == "swatch"
        assert model.attributes["scope"] == "row"
        assert figure.attributes["data-sort"] == "1.0"
        assert figure.first("span").attributes["class"] == "interval folded"
        assert empty.first("span").attributes["title"] == "too <few>"
        assert empty.text == "– too <few>", "said to those who cannot point"
        assert verdict.first("b").text == "yes"


def test_markup_of_our_own_passes_and_texts_are_cleaned() -> None:
    template = environment(Path(__file__).parent).from_string("{{ ours }}{{ theirs }}")
    assert template.render(ours=Markup("<b>x</b>"), theirs="<i>\x1b") == "<b>x</b>&lt;i&gt;\N{REPLACEMENT CHARACTER}"


@given(ROWS)
def test_latex_has_a_line_a_row_and_nothing_special(rows: list[tuple[str, str]]) -> None:
    text = latex_table(table_of([tuple(map(one_line, row)) for row in rows]))
    lines = text.split("\n")
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(body) == len(rows)
    for line in body:
        assert line.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", line)) == 1
        assert not re.search(r"(?<!\\)[%#_]", line)
        bare = re.sub(r"\\[{}]", "", line)
        assert bare.count("{") == bare.count("}")


def test_latex_of_what_we_write_ourselves() -> None:
    assert latex_text("− – Δ") == r"$-$ -- $\Delta$"


@given(ROWS)
def test_a_terminal_shows_the_text(rows: list[tuple[str, str]]) -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None, force_terminal=False)
    console.print(terminal_table(table_of(rows)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for row in rows:
        for cell in row:
            for word in printable(cell).split():
                assert word in shown, "as it is, not as markup"
    assert "\x1b" not in shown


def test_a_terminal_has_title_caption_and_a_rule_before_what_stays_below() -> None:
    console = Console(file=io.StringIO(), width=60, color_system=None)
    pooled = (Cell(text="pooled", muted=True), Cell(strong="3", text=" all"))
    table = table_of([("a", "1"), ("b", "2")], below=(pooled,), title="[T]", caption="[C]")
    console.print(terminal_table(table))
    lines = [line.strip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[0] == "[T]"
    assert "[C]" in lines
    assert lines.index("pooled  3 all") == lines.index("b       2") + 2


@given(ROWS)
def test_csv_is_read_back_and_no_cell_is_a_formula(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["name", "value"])
    frame["number"] = -1.5
    back = list(csv.DictReader(io.StringIO(csv_table(frame), newline="")))
    assert len(back) == len(rows)
    for row, record in zip(rows, back, strict=True):
        assert record["number"] == "-1.5", "numbers are numbers"
        for text, read in zip(row, (record["name"], record["value"]), strict=True):
            assert read in (printable(text), printable(f"'{text}"))
            assert not read.startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("frame", [pd.DataFrame({"a": []}), pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": ["x", None]})])
def test_csv_leaves_what_is_missing_empty(frame: pd.DataFrame) -> None:
    assert csv_table(frame) == frame.to_csv(index=False, lineterminator="\n")
