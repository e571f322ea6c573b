"""Writes the README's headline table from the packaged results: `python tools/build_readme.py [--check]`."""

import argparse
import sys
from pathlib import Path

from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.report.summaries import headline_table
from askd_bench.results import Result
from askd_bench.suites import load_suite
from askd_bench.tables.markdown import markdown_table

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SUITE, RESULT = "noisy", "noisy-v1/dialogue"
START, END = "<!-- headline table: python tools/build_readme.py -->", "<!-- end of headline table -->"


def headline() -> str:
    """Return as Markdown what `askd-bench run --suite noisy` prints of the default model, from the packaged rows of the default grid."""
    result = Result.open(ROOT / "reference_results" / DEFAULT_MODEL / RESULT)
    signature, grid = result.signature(), {condition.id for condition in load_suite(SUITE).select()}
    summary = result.summarise(row for row in result.rows() if row.condition in grid)
    intervals = summary["intervals"]
    return (
        f"`askd-bench run --suite {SUITE}`: `{signature.model.id}` on `{signature.suite.label}`, corpus "
        f"`{signature.corpus.name}` ({signature.model.dtype}; intervals over {intervals['clusters']} "
        f"{intervals['resampled']}s, so they speak for {intervals['speaks_for']}):\n\n"
        f"{markdown_table(headline_table(summary))}"
    )


def built(text: str) -> str:
    """Return the README's text with the table renewed."""
    before, rest = text.split(START)
    return f"{before}{START}\n{headline()}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Write, or with --check compare and exit with 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = README.read_text(encoding="utf-8")
    new = built(text)
    if check:
        sys.exit(
            0 if new == text else "README.md: its headline table is not what the packaged results say; run python tools/build_readme.py"
        )
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
