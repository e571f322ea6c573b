"""Packaged results stand beside a run's own only where they heard exactly the same speech."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.report import headline, reference_models
from askd_bench.results import Result
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE


@pytest.fixture
def results(small_corpus: Path, stub_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CorpusResult, Path]:
    """A run of one model, and a folder of packaged results with that of another on the same speech."""
    packaged = tmp_path / "packaged"
    options: dict[str, Any] = {"corpus": [str(small_corpus)], "conditions": ["white-0dB"], "workers": 0}
    [mine] = run("noisy", "mine", output=tmp_path / "mine", **options)
    [theirs] = run("noisy", "theirs", output=packaged, **options)
    monkeypatch.setattr(reference_models, "REFERENCE_RESULTS_DIR", packaged)
    monkeypatch.setattr(reference_models, "bundled_models", lambda: {"theirs": packaged})
    return mine, theirs.path


def change_rows(path: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    rows = [change(json.loads(line)) for line in (path / ROWS_FILE).read_text(encoding="utf-8").splitlines()]
    (path / ROWS_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None), encoding="utf-8")


def shown(result: CorpusResult) -> str:
    screen = Console(width=250, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.print(headline.headline(Result.open(result.path)))
    return screen.export_text()


def test_the_same_speech_stands_beside(results: tuple[CorpusResult, Path]) -> None:
    mine, theirs = results
    found = reference_models.reference_summaries(Result.open(mine.path))
    assert list(found) == ["theirs"]
    own = Result.open(theirs).summary()
    assert own
    for condition in ("clean", "white-0dB"):
        wer, their_own = (summary["conditions"][condition]["metrics"]["wer"] for summary in (found["theirs"], own))
        assert (wer["value"], wer["n"]) == (their_own["value"], their_own["n"])
    lines = [line.split() for line in shown(mine).splitlines()]
    [own_line], [their_line] = ([line for line in lines if line[:1] == [name] and "on" not in line] for name in ("mine", "theirs"))
    assert their_line[1] == "(packaged)"
    assert own_line[1:4] == ["20", "(2", "failed)"]
    assert their_line[2] == str(found["theirs"]["pooled"]["n_utterances"]) == "18"
    assert their_line[-1] != "–", "the run's errors over this model's"


def test_the_model_that_was_run_is_not_shown_twice(results: tuple[CorpusResult, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The very same model; decoded otherwise, it is shown."""
    mine, theirs = results
    packaged = theirs.parents[2]
    shutil.copytree(theirs.parents[1], packaged / "mine")
    monkeypatch.setattr(reference_models, "bundled_models", lambda: {"mine": packaged})
    signature = packaged / "mine" / "noisy-v1" / "small" / SIGNATURE_FILE
    stored = json.loads((mine.path / SIGNATURE_FILE).read_text(encoding="utf-8"))
    signature.write_text(json.dumps(stored), encoding="utf-8")
    assert reference_models.reference_summaries(Result.open(mine.path)) == {}
    stored["model"]["decoding"]["language"] = "de"
    signature.write_text(json.dumps(stored), encoding="utf-8")
    assert list(reference_models.reference_summaries(Result.open(mine.path))) == ["mine"]


def test_models_without_a_bundled_checkpoint_do_not(results: tuple[CorpusResult, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every seed of every arm would have a line under every condition."""
    monkeypatch.setattr(reference_models, "bundled_models", dict)
    assert reference_models.reference_summaries(Result.open(results[0].path)) == {}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row: {**row, "audio_sha256": "0" * 64} if row["utterance"] == "u01" else row, id="one clip sounds otherwise"),
        pytest.param(lambda row: {**row, "reference": "mended"} if row["utterance"] == "u01" else row, id="one transcript was mended"),
        pytest.param(lambda row: None if (row["utterance"], row["condition"]) == ("u01", "white-0dB") else row, id="one row is not there"),
        pytest.param(lambda row: None if row["condition"] == "white-0dB" else row, id="a condition is not there"),
    ],
)
def test_anything_else_does_not(change: Callable[[dict[str, Any]], dict[str, Any] | None], results: tuple[CorpusResult, Path]) -> None:
    mine, theirs = results
    change_rows(theirs, change)
    assert reference_models.reference_summaries(Result.open(mine.path)) == {}
    assert "packaged" not in shown(mine)


def test_more_than_was_run_is_cut_to_it(results: tuple[CorpusResult, Path], small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    """A packaged result of all utterances serves a run of some of them."""
    _, theirs = results
    [mine] = run("noisy", "mine", corpus=[str(small_corpus)], conditions=["clean"], limit=4, output=tmp_path / "few", workers=0)
    found = reference_models.reference_summaries(Result.open(mine.path))
    assert found["theirs"]["pooled"]["n_utterances"] < len(list(Result.open(theirs).rows()))
    heard = {row.utterance for row in Result.open(mine.path).rows() if row.audio_sha256 and row.split == "test"}
    assert found["theirs"]["conditions"]["clean"]["n_utterances"] == len(heard)


def test_another_suite_version_or_corpus_does_not(results: tuple[CorpusResult, Path]) -> None:
    mine, theirs = results
    shutil.move(theirs.parent, theirs.parent.with_name("noisy-v2"))
    assert reference_models.reference_summaries(Result.open(mine.path)) == {}


def test_a_condition_that_no_one_could_hear(small_corpus: Path, stub_model: Any, results: tuple[CorpusResult, Path]) -> None:
    """All its rows are errors, so that packaged results have no row for it; the table is printed nevertheless."""
    mine, theirs = results
    lost = {"audio_sha256": None, "hypothesis": None, "error": "lost", "words": [], "word_tokens": [], "token_logprobs": []}
    lost |= {"token_entropies": [], "tempered_logprobs": {}, "decode_s": None}
    for path in (mine.path, theirs):
        change_rows(path, lambda row: {**row, **lost} if row["condition"] == "white-0dB" else row)
        Result.open(path).write_summary()
    text = shown(mine)
    assert "10 (10 failed)" in text
    assert "theirs (packaged)" in text
