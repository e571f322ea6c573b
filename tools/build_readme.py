"""Writes the README's headline table from the packaged results: `python tools/build_readme.py [--check]`."""

import argparse
import sys
from pathlib import Path

from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.report.summaries import headline_table
from askd_bench.results import Result
from askd_bench.tables.markdown import markdown_table

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULT = "noisy-v1/dialogue"
CONDITIONS = ("clean", "white-10dB", "white-0dB", "babble-10dB", "babble-0dB", "pooled")
START, END = "<!-- headline table: python tools/build_readme.py -->", "<!-- end of headline table -->"


def headline() -> str:
    """Return a few conditions of the default model's packaged result as Markdown."""
    result = Result.open(ROOT / "reference_results" / DEFAULT_MODEL / RESULT)
    signature, summary = result.signature(), result.stored_summary()
    intervals = summary["intervals"]
    return (
        f"`{signature.model.id}` on `{signature.suite.label}`, corpus "
        f"`{signature.corpus.name}` ({signature.model.dtype}; intervals over {intervals['clusters']} "
        f"{intervals['resampled']}s, so they speak for {intervals['speaks_for']}):\n\n"
        f"{markdown_table(headline_table({signature.model.id: summary}, conditions=CONDITIONS))}"
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
