"""The leaderboard's files: written, or compared byte for byte with what the rows say now."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from askd_bench.files import write_together
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.leaderboard.document import latex, markdown, page
from askd_bench.report.leaderboard.frame import Leaderboard, leaderboard_of
from askd_bench.report.leaderboard.layout import sections
from askd_bench.tables.csv import csv_table

TITLE = "askd-bench leaderboard"
INTRO = (
    "How robust are distilled speech recognisers, and do they know when they are wrong? Models stand side by side only where they heard "
    "the very same audio, bit for bit; every figure follows from the rows of the result directories. The speech is a small sample: read "
    "the intervals.",
    "Built by askd-bench leaderboard, checked by askd-bench leaderboard --check and askd-bench verify, never edited by hand. "
    "docs/SUBMITTING.md says how to add a model. All figures, intervals included, are in leaderboard.csv.",
)
_DIFF_LINES = 12
_DIFF_WIDTH = 160


def leaderboard(results: Path = REFERENCE_RESULTS_DIR) -> list[Path]:
    """Write `LEADERBOARD.md`, `leaderboard.csv`, `leaderboard.tex` and `index.html` into a folder of results, and return their paths.

    Raises:
        UserError: no result directory, a malformed file, or a folder that cannot be written.
    """
    files = {results / name: content for name, content in contents(leaderboard_of(results)).items()}
    write_together(files, argument="results")
    return list(files)


def check(results: Path = REFERENCE_RESULTS_DIR) -> list[str]:
    """Return, for each file that is not what the rows say, its name and the head of a unified diff; nothing is written.

    Raises:
        UserError: no result directory, or a malformed file.
    """
    found = []
    for name, content in contents(leaderboard_of(results)).items():
        path = results / name
        stored = path.read_bytes() if path.is_file() else None
        if stored is None:
            found.append(f"{path}: does not exist")
        elif stored != content:
            found.append(f"{path}: differs\n{_diff(stored, content, name)}")
    return found


def contents(board: Leaderboard) -> Mapping[str, bytes]:
    """Return name -> content of every file."""
    parts = sections(board)
    ours = [section for section in parts if not section.elsewhere]
    texts = {
        "LEADERBOARD.md": markdown(TITLE, INTRO, parts),
        "leaderboard.csv": csv_table(board.frame),
        "leaderboard.tex": latex((TITLE, "Built by askd-bench leaderboard; needs the package booktabs."), ours),
        "index.html": page(TITLE, INTRO, parts),
    }
    return {name: text.encode() for name, text in texts.items()}


def _diff(stored: bytes, content: bytes, name: str) -> str:
    old, new = (text.decode(errors="replace").splitlines() for text in (stored, content))
    lines = list(difflib.unified_diff(old, new, f"stored {name}", f"{name} from the rows", lineterm="", n=0))
    shown = [line if len(line) <= _DIFF_WIDTH else line[: _DIFF_WIDTH - 3] + "..." for line in lines[:_DIFF_LINES]]
    return "\n".join(shown + ([f"... {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []))
