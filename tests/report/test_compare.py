"""Results are compared on the clips that all of them have, and what is left out is told."""

import io
import json
from pathlib import Path

import pytest
from page_results import TEACHER, some_rows, student, write_result
from rich.console import Console

from askd_bench.errors import UserError
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.compare import compare, comparison_view, left_out
from askd_bench.signature import SIGNATURE_FILE

NOISY = REFERENCE_RESULTS_DIR / TEACHER / "noisy-v1"
GRID = ("clean", "babble-10dB", "babble-0dB")
MISHEARD = student("mine", error_rate=0.2)


@pytest.fixture
def first_run(tmp_path: Path) -> Path:
    """What a first run leaves: other conditions than the packaged result, and fewer clips, so that the corpus has another fingerprint."""
    corpus = json.loads((NOISY / "dialogue" / SIGNATURE_FILE).read_text(encoding="utf-8"))["corpus"]
    return write_result(tmp_path, "mine", some_rows(12, GRID), MISHEARD, signed={"corpus": corpus | {"fingerprint": "of fewer clips"}})


def test_a_first_run_is_compared_with_the_packaged_rows(first_run: Path, tmp_path: Path) -> None:
    compared = compare(first_run, NOISY / "dialogue")
    cut = write_result(tmp_path / "cut", TEACHER, some_rows(12, GRID))
    assert compared == compare(first_run, cut), "as if the packaged result held nothing else"
    assert {row.condition for row in compared.conditions} == set(GRID)
    assert left_out(first_run, cut) == []
    [told] = left_out(first_run, NOISY / "dialogue")
    rows = 192
    assert told.startswith(f"{rows - compared.pooled.utterances} of the teacher's {rows} (among them all of ")
    assert "white-0dB" in told
    stream = io.StringIO()
    Console(file=stream, width=100).print(comparison_view(compared, lonely=[told]))
    assert "left out" in stream.getvalue()


def test_each_may_have_what_the_others_lack(first_run: Path, tmp_path: Path) -> None:
    other = write_result(tmp_path / "other", "other", some_rows(24, ("clean", "white-0dB")))
    control = write_result(tmp_path / "control", "control", some_rows(18, ("clean", "babble-0dB")))
    compared = compare(first_run, other, control=control)
    assert [row.condition for row in compared.conditions] == ["clean"]
    told = left_out(first_run, other, control=control)
    assert [role in one for role, one in zip(("student", "teacher", "control"), told, strict=True)] == [True] * 3


def test_what_has_nothing_in_common_or_other_audio_is_refused(first_run: Path, tmp_path: Path) -> None:
    elsewhere = write_result(tmp_path / "elsewhere", "other", some_rows(24, ("white-0dB",)))
    with pytest.raises(UserError, match="no clip in common"):
        compare(first_run, elsewhere)
    with pytest.raises(UserError, match=r"corpus\.name"):
        compare(first_run, NOISY / "prompts")
    retuned = write_result(tmp_path / "retuned", "other", some_rows(24, GRID), lambda row: row | {"audio_sha256": "0" * 64})
    with pytest.raises(UserError, match="audio_sha256 differs"):
        compare(first_run, retuned)
