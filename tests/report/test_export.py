"""What is exported scores the same elsewhere: MeetEval and jiwer find the error rates of the summary in it."""

import json
from pathlib import Path
from typing import Any

import jiwer
import meeteval
import pandas as pd
import pytest
from page_results import TEACHER, some_rows, write_result
from pyarrow import parquet

from askd_bench import api
from askd_bench.errors import UserError
from askd_bench.results import Result
from askd_bench.rows import row_to_json

CONDITIONS = ("clean", "babble-10dB")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real rows, one of them of a clip that failed."""

    def fail(row: dict[str, object]) -> dict[str, object]:
        lost = {"hypothesis": None, "error": "lost", "words": [], "word_tokens": [], "token_logprobs": [], "token_entropies": []}
        return row | lost | {"tempered_logprobs": {}} if row["utterance"] == "fotaq-c63j_021" else row

    return write_result(tmp_path_factory.mktemp("result"), TEACHER, some_rows(24, CONDITIONS), fail)


def rate(result: Path, condition: str) -> float:
    value: float = Result.open(result).current_summary()["conditions"][condition]["metrics"]["wer"]["value"]
    return value


@pytest.mark.parametrize("condition", CONDITIONS)
def test_trn_is_scored_the_same_by_jiwer(result: Path, tmp_path: Path, condition: str) -> None:
    written = api.export("trn", result, out=tmp_path)
    assert {path.name for path in written} == {f"{name}.{side}.trn" for name in CONDITIONS for side in ("ref", "hyp")}
    sides = [(tmp_path / f"{condition}.{side}.trn").read_text(encoding="utf-8").splitlines() for side in ("ref", "hyp")]
    reference, hypothesis = ([(text.strip(), name) for text, _, name in (line.rpartition("(") for line in side)] for side in sides)
    assert [name for _, name in reference] == [name for _, name in hypothesis]
    assert len(reference) == 23, "the clip that failed is on neither side"
    assert jiwer.wer([text for text, _ in reference], [text for text, _ in hypothesis]) == pytest.approx(rate(result, condition), abs=1e-6)


def segments(file: Path) -> Any:
    """Read a file as MeetEval does (SegLST from its JSON), by session."""
    if file.suffix == ".json":
        return meeteval.io.SegLST(json.loads(file.read_text(encoding="utf-8"))).groupby("session_id")
    return meeteval.io.load(file).to_seglst().groupby("session_id")


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("format", "suffix"), [("stm", "stm"), ("seglst", "seglst.json")])
def test_segments_are_scored_the_same_by_meeteval(result: Path, tmp_path: Path, condition: str, format: str, suffix: str) -> None:
    api.export(format, result, out=tmp_path)
    reference, hypothesis = (segments(tmp_path / f"{condition}.{side}.{suffix}") for side in ("ref", "hyp"))
    assert reference.keys() == hypothesis.keys()
    found = [meeteval.wer.wer.siso.siso_word_error_rate(reference[clip], hypothesis[clip]) for clip in reference]
    assert sum(one.errors for one in found) / sum(one.length for one in found) == pytest.approx(rate(result, condition), abs=1e-6)


def test_ctm_has_the_words_with_confidences_within_the_clip(result: Path, tmp_path: Path) -> None:
    api.export("ctm", result, out=tmp_path)
    api.export("trn", result, out=tmp_path)
    words = meeteval.io.load(tmp_path / "clean.hyp.ctm", format="ctm")
    said = " ".join(word["words"] for word in words.to_seglst())
    texts = [line.rpartition("(")[0].strip() for line in (tmp_path / "clean.hyp.trn").read_text(encoding="utf-8").splitlines()]
    assert said.split() == " ".join(texts).split()
    durations = {row.utterance: row.duration_s for row in Result.open(result).rows()}
    assert all(word["end_time"] <= durations[word["session_id"]] + 0.01 for word in words.to_seglst())
    confidences = [float(line.split()[5]) for line in (tmp_path / "clean.hyp.ctm").read_text().splitlines() if len(line.split()) == 6]
    assert len(confidences) > 0.8 * len(said.split())
    assert all(0 <= confidence <= 1 for confidence in confidences)


def test_parquet_holds_the_rows(result: Path, tmp_path: Path) -> None:
    [file] = api.export("parquet", result, out=tmp_path)
    table, frame = parquet.read_table(file), pd.read_parquet(file)
    rows = [json.loads(row_to_json(row)) for row in Result.open(result).rows()]
    assert len(frame) == len(rows)
    assert set(frame.columns) == {"model", "suite", "corpus", *rows[0]}
    for record, row in zip(table.to_pylist(), rows, strict=True):
        assert (record["utterance"], record["hypothesis"], record["error"]) == (row["utterance"], row["hypothesis"], row["error"])
        assert [[word["text"], word["confidence"]] for word in record["words"]] == row["words"]
        assert json.loads(record["tempered_logprobs"]) == row["tempered_logprobs"]


def test_bad_input_is_told_and_nothing_is_written(result: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for format, normalizer, said in (("txt", "none", "format: 'txt' is unknown"), ("trn", "mine", "normalizer: 'mine' is unknown")):
        with pytest.raises(UserError, match=said):
            api.export(format, result, out=out, normalizer=normalizer)
    assert not out.exists()
