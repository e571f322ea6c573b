"""Rows of a model with a short audio context are the same however a run went: in one batch or clip by clip, in workers, interrupted."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from askd_bench.evaluation import run as module
from askd_bench.evaluation.run import run
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.rows import ROWS_FILE


def rows_of(corpus: Path, output: Path, **options: Any) -> list[dict[str, Any]]:
    how = {"conditions": ["clean"], "workers": 0, "batch_size": 4, "limit": 4, "threads": 1, "audio_context": "1300", **options}
    [result] = run("noisy", DEFAULT_MODEL, corpus=[str(corpus)], output=output, dtype="float32", **how)
    rows = [json.loads(line) for line in (result.path / ROWS_FILE).read_text(encoding="utf-8").splitlines()]
    assert result.signature.model.decoding["audio_context"] == f"margin {how['audio_context']}"
    for row in rows:
        del row["decode_s"]
    return rows


@pytest.fixture
def whole(small_corpus: Path, tmp_path: Path) -> list[dict[str, Any]]:
    return rows_of(small_corpus, tmp_path / "whole")


def test_workers_and_interruptions_change_nothing(
    whole: list[dict[str, Any]], small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(model: Any, options: Any) -> Any:
        transcriber = load_transcriber(model, options)
        batches: Iterator[int] = iter(range(2))
        decode = transcriber.decode

        def some(encoded: Sequence[Any]) -> Any:
            if next(batches, None) is None:
                raise KeyboardInterrupt
            return decode(encoded)

        transcriber.decode = some  # type: ignore[attr-defined]
        return transcriber

    with monkeypatch.context() as patched:
        patched.setattr(module, "load_transcriber", dies)
        with pytest.raises(KeyboardInterrupt):
            rows_of(small_corpus, tmp_path / "again")
    assert rows_of(small_corpus, tmp_path / "again", workers=1) == whole


def test_the_batch_size_changes_no_text(whole: list[dict[str, Any]], small_corpus: Path, tmp_path: Path) -> None:
    alone = {row["utterance"]: row for row in rows_of(small_corpus, tmp_path / "alone", batch_size=1)}
    for row in whole:
        other = alone[row["utterance"]]
        assert other["hypothesis"] == row["hypothesis"]
        assert other.get("token_logprobs") == pytest.approx(row.get("token_logprobs"), abs=1e-3)
