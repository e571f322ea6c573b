"""Tables as LaTeX; they need the package booktabs."""

from askd_bench.tables.model import MINUS, Cell, Table
from askd_bench.tables.printable import printable

_SPECIAL = {
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
    MINUS: "$-$",
    "Δ": r"$\Delta$",
}


def latex_text(text: str) -> str:
    r"""Return a text that LaTeX shows as it is.

    >>> print(latex_text("50 % of a_b"))
    50 \% of a\_b
    """
    return "".join(_SPECIAL.get(character, character) for character in printable(text))


def latex_table(table: Table) -> str:
    """Return a table as `tabular`, without title and caption."""
    align = "".join("l" if table.is_text(position) else "r" for position in range(len(table.columns)))
    lines = [" & ".join(latex_text(column.label) for column in table.columns) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_cell, row)) + r" \\" for row in table.rows]
    lines += [r"\midrule", *(" & ".join(map(_cell, row)) + r" \\" for row in table.below)] if table.below else []
    body = "\n".join(lines)
    return f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}"


def _cell(cell: Cell) -> str:
    strong = rf"\textbf{{{latex_text(cell.strong)}}}" if cell.strong else ""
    return strong + latex_text(cell.plain)
