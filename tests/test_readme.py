"""The README's figures are those of the packaged results."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from askd_bench.evaluation.verify import verify
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.summaries import headline_table
from askd_bench.results import Result
from askd_bench.tables.markdown import markdown_table

ROOT = Path(__file__).resolve().parent.parent


def test_the_headline_table_is_what_the_packaged_results_say() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "build_readme.py", "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_its_lines_of_python_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"(?m)^    import askd_bench\n(?:    .*\n)+", readme)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(lines), names)
    summary = Result.open(tmp_path / "results" / "whisper-tiny.en" / "noisy-v1" / "books").stored_summary()
    table = names["results"].table().set_index("condition")
    assert table.loc["babble-10dB", "wer"] == summary["conditions"]["babble-10dB"]["metrics"]["wer"]["value"]
    assert names["askd_bench"].evaluate(["the cat sat"], ["the hat sat"])["wer"].value == pytest.approx(1 / 3)


def test_the_summaries_it_quotes_are_functions_of_their_rows() -> None:
    folders = sorted(REFERENCE_RESULTS_DIR.glob(f"{DEFAULT_MODEL}/noisy-v*/*/signature.json"))  # `verify` asks the same of all
    assert folders
    for verdict in verify([folder.parent for folder in folders], sample=0, workers=0):
        assert verdict.problems == ()


def test_markdown_has_a_row_a_condition_and_a_dash_for_what_is_null() -> None:
    summary = Result.open(REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "noisy-v1" / "prompts").stored_summary()
    lines = markdown_table(headline_table(summary)).splitlines()
    assert len(lines) == 2 + len(summary["conditions"]) + 1
    assert lines[2].startswith("| clean | 24 | ")
    assert " – |" in lines[2]  # clean has no degradation
