"""The function and the command `score` are the same thing, under one normaliser and under all."""

import json
from pathlib import Path

import pytest
from page_results import some_rows, write_result
from rich.console import Console
from rich.table import Table

from askd_bench.errors import UserError
from askd_bench.report.score import score, score_table
from askd_bench.results import SUMMARY_FILE, Result
from askd_bench.text import NORMALISERS


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return write_result(tmp_path, "m", some_rows(12, ("clean", "white-0dB")))


def printed(table: Table) -> str:
    screen = Console(width=250, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.print(table)
    return screen.export_text()


def test_one_normaliser_is_stored_and_shown(result: Path) -> None:
    scored = score(result, "none")
    assert scored["normalizer"]["name"] == "none"
    assert Result.open(result).summary() == json.loads(json.dumps(scored))
    assert "Normaliser none" in printed(score_table(result, "none"))


def test_all_normalisers_are_the_single_ones_side_by_side_and_nothing_is_stored(result: Path) -> None:
    stored = (result / SUMMARY_FILE).read_bytes()
    every = score(result, "all")
    lines = {line.split()[0]: line.split()[1:] for line in printed(score_table(result, "all")).splitlines() if line.split()}
    assert (result / SUMMARY_FILE).read_bytes() == stored
    assert list(every) == list(NORMALISERS)
    for name in ("clean", "white-0dB", "pooled"):
        tables = [(summary["conditions"] | {"pooled": summary["pooled"]})[name] for summary in every.values()]
        rates = [table["metrics"]["wer"]["value"] for table in tables]
        assert len(set(rates)) > 1, "normalisers differ"
        assert lines[name] == [f"{100 * rate:.1f}" for rate in rates]
    for name, summary in every.items():
        assert summary == {key: value for key, value in score(result, name).items() if key != "peak_memory_bytes"}


def test_an_unknown_normaliser_is_told_with_all_among_the_allowed(result: Path) -> None:
    stored = (result / SUMMARY_FILE).read_bytes()
    with pytest.raises(UserError, match=r"normalizer: 'al' is unknown.*\(allowed: all, none, open-asr"):
        score(result, "al")
    assert (result / SUMMARY_FILE).read_bytes() == stored
