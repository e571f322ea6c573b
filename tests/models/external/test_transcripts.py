"""Hypotheses made elsewhere from rendered audio give the rows of a direct run; whatever does not fit is told with its line."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from stub_transcriber import HashingTranscriber

from askd_bench.audio import audio_sha256, to_int16
from askd_bench.errors import UserError
from askd_bench.evaluation import run as run_module
from askd_bench.evaluation.rendered_audio import render
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.models.load import load_transcriber
from askd_bench.rows import ROWS_FILE
from askd_bench.types import Failure, Transcription, Word

CLIP = np.linspace(-0.5, 0.5, 1000).astype(np.float32)
SHA = audio_sha256(to_int16(CLIP))
CONDITIONS = ["white-0dB", "babble-0dB"]


def score(model: str, corpus: Path, output: Path, **options: Any) -> CorpusResult:
    options = {"conditions": CONDITIONS, "workers": 0, "batch_size": 4, **options}
    [result] = run("noisy", model, corpus=[str(corpus)], output=output, **options)
    return result


def rows(result: CorpusResult) -> dict[tuple[str, str], dict[str, Any]]:
    records = [json.loads(line) for line in (result.path / ROWS_FILE).read_text(encoding="utf-8").splitlines()]
    return {(record["condition"], record["utterance"]): record for record in records}


def manifest_rows(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def transcribed_elsewhere(manifest: Path, key: str) -> list[dict[str, Any]]:
    """Read the rendered files back, as any other system would, and add what a recogniser makes of them."""
    recogniser = HashingTranscriber()
    found = manifest_rows(manifest)
    for row in found:
        if row["audio_filepath"]:
            samples, rate = soundfile.read(manifest.parent / row["audio_filepath"], dtype="float32")
            assert rate == 16_000
            [transcription] = recogniser.transcribe([recogniser.frontend(samples)])
            row[key] = transcription.text
            row["words"] = [[word.text, word.confidence] for word in transcription.words]
            row["word_tokens"] = transcription.word_tokens
            row["token_logprobs"] = transcription.token_logprobs
    return found


def write(path: Path, records: list[Any]) -> str:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records), encoding="utf-8")
    return f"transcripts:{path}"


@pytest.fixture(scope="module")
def rendered(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    return render("noisy", out=folder / "audio", corpus=[str(small_corpus)], conditions=CONDITIONS, workers=0)


@pytest.fixture(scope="module")
def direct(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> CorpusResult:
    """The same recogniser, run here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "load_transcriber", lambda *_, **__: HashingTranscriber())
        return score("stub", small_corpus, tmp_path_factory.mktemp("direct"))


@pytest.mark.parametrize("key", ["hypothesis", "pred_text"])
def test_the_way_out_and_back_gives_the_rows_of_a_direct_run(
    key: str, rendered: Path, direct: CorpusResult, small_corpus: Path, tmp_path: Path
) -> None:
    model = write(tmp_path / "my system.jsonl", transcribed_elsewhere(rendered, key))
    result = score(model, small_corpus, tmp_path)
    assert (result.model, result.path.parents[1].name) == ("my-system", "my-system")
    there, here = rows(direct), rows(result)
    assert there.keys() == here.keys()
    same = ("hypothesis", "words", "word_tokens", "token_logprobs", "audio_sha256", "reference", "realised", "batch")
    for place, row in here.items():
        assert row["decode_s"] is None
        if row["split"] == "dev":
            assert row["error"] == "transcripts: my system.jsonl has none of this audio (was this condition rendered?)"
        else:
            assert {name: row[name] for name in same} == {name: there[place][name] for name in same}
    for condition, table in result.summary["conditions"].items():
        other = direct.summary["conditions"][condition]
        assert table["n_errors"] == other["n_errors"] == 1, "dev utterances are in no table"
        for metric in ("wer", "cer", "ece", "nll"):
            assert table["metrics"][metric] == other["metrics"][metric]
    speed = result.summary["pooled"]["metrics"]["rtfx"]
    assert speed["value"] is None
    assert "no timings: a resumed run, given transcripts" in speed["reason"]
    assert result.summary["peak_memory_bytes"] is None
    assert result.summary["temperature_scaling"]["temperature"] is None
    assert result.summary["temperature_scaling"]["reason"] == "no log-probabilities at other temperatures are stored"


def test_clean_dev_speech_can_be_rendered_too(rendered: Path, direct: CorpusResult, small_corpus: Path, tmp_path: Path) -> None:
    dev = render("noisy", out=tmp_path / "dev", corpus=[str(small_corpus)], conditions=["clean"], split="dev", workers=0)
    both = [*transcribed_elsewhere(rendered, "hypothesis"), *transcribed_elsewhere(dev, "hypothesis")]
    result = score(write(tmp_path / "both.jsonl", both), small_corpus, tmp_path)
    assert {place: row["hypothesis"] for place, row in rows(result).items()} == {p: row["hypothesis"] for p, row in rows(direct).items()}


def test_the_rows_of_a_result_are_transcripts(direct: CorpusResult, small_corpus: Path, tmp_path: Path) -> None:
    result = score(f"transcripts:{direct.path / ROWS_FILE}", small_corpus, tmp_path)
    for place, row in rows(direct).items():
        assert rows(result)[place]["hypothesis"] == row["hypothesis"]
        assert rows(result)[place]["words"] == row["words"]


def test_a_condition_that_was_not_rendered_is_a_failure_of_its_rows_alone(rendered: Path, small_corpus: Path, tmp_path: Path) -> None:
    some = [row for row in transcribed_elsewhere(rendered, "hypothesis") if row["condition"] != "babble-0dB"]
    result = score(write(tmp_path / "some.jsonl", some), small_corpus, tmp_path)
    for (condition, utterance), row in rows(result).items():
        assert (row["error"] is None) == (condition != "babble-0dB" and utterance not in ("u04", "u10", "u11", "u12"))
    assert result.summary["conditions"]["babble-0dB"]["n_errors"] == 10
    assert result.summary["conditions"]["white-0dB"]["n_errors"] == 1


def test_transcripts_of_other_audio_stop_the_run(rendered: Path, small_corpus: Path, tmp_path: Path) -> None:
    model = write(tmp_path / "other.jsonl", [{"audio_sha256": SHA, "hypothesis": "a"}])
    with pytest.raises(
        UserError, match="has transcripts of 1 clips and none of the first 4 of this run: they are of other audio"
    ) as caught:
        score(model, small_corpus, tmp_path)
    assert "\n" not in str(caught.value)


def test_one_bit_of_audio_is_another_clip(tmp_path: Path) -> None:
    transcriber = load_transcriber(write(tmp_path / "t.jsonl", [{"audio_sha256": SHA, "hypothesis": "the very one"}]))
    changed = (to_int16(CLIP) + np.eye(1, 1000, 500, dtype=np.int16)[0]).astype(np.float32) / np.float32(32_768)
    heard = to_int16(CLIP).astype(np.float32) / np.float32(32_768)
    found, other = transcriber.transcribe([transcriber.frontend(heard), transcriber.frontend(changed)])
    assert found == Transcription(text="the very one", words=tuple(Word(one, None) for one in ("the", "very", "one")))
    assert isinstance(other, Failure)


def test_what_identifies_a_file(tmp_path: Path) -> None:
    model = write(tmp_path / "nemo-0.6b.jsonl", [{"audio_sha256": SHA, "pred_text": "a"}])
    transcriber = load_transcriber(model)
    card = transcriber.card
    assert (card.id, card.parameters, card.weights_bytes, transcriber.window_s) == ("nemo-0.6b", None, None, None)
    assert card.weights_sha256 == hashlib.sha256((tmp_path / "nemo-0.6b.jsonl").read_bytes()).hexdigest()
    assert "of the file of transcripts" in str(card.decoding["weights"])


def test_what_is_passed_over_and_what_is_null(tmp_path: Path) -> None:
    other = "0" * 64
    model = write(
        tmp_path / "t.jsonl",
        [
            {"audio_sha256": None, "error": "could not be rendered"},
            "",
            {"audio_sha256": SHA, "hypothesis": "a", "pred_text": "b"},
            {"audio_sha256": SHA, "hypothesis": "a", "condition": "the same audio again"},
            {"audio_sha256": other, "hypothesis": None},
        ],
    )
    transcriber = load_transcriber(model)
    [found] = transcriber.transcribe([CLIP])
    assert isinstance(found, Transcription)
    assert found.text == "a"
    assert transcriber._known[other] == Failure("transcripts: the hypothesis is null")  # type: ignore[attr-defined]


BAD: dict[str, tuple[list[Any], str]] = {
    "nothing": ([], "t.jsonl holds no transcripts"),
    "bad JSON": ([{"audio_sha256": SHA, "hypothesis": "a"}, '{"audio_sha256": '], "line 2: not JSON"),
    "a list": (["[1]"], "line 1: not a JSON object"),
    "no hash": ([{"hypothesis": "a"}], "line 1: audio_sha256 is missing"),
    "no hypothesis": ([{"audio_sha256": SHA}], "line 1: has no hypothesis .allowed: a key hypothesis or pred_text"),
    "another key": ([{"audio_sha256": SHA, "text_hypothesis": "a"}], "line 1: has no hypothesis"),
    "hash of something": ([{"audio_sha256": "abc", "hypothesis": "a"}], "line 1: audio_sha256 is 'abc' .allowed: 64 hex"),
    "hash that is a number": ([{"audio_sha256": 12, "hypothesis": "a"}], "line 1: audio_sha256 is 12"),
    "text that is none": ([{"audio_sha256": SHA, "hypothesis": ["a"]}], r"line 1: text is \['a'\]"),
    "two hypotheses": (
        [{"audio_sha256": SHA, "hypothesis": "a"}, {"audio_sha256": SHA, "hypothesis": "b"}],
        "line 2: differs from an earlier line about the same audio",
    ),
    "words of another text": (
        [{"audio_sha256": SHA, "hypothesis": "a", "words": [["b", 1]]}],
        "line 1: words are 'b', but the text is 'a'",
    ),
    "a confidence above 1": ([{"audio_sha256": SHA, "hypothesis": "a", "words": [["a", 2]]}], r"line 1: words\[0\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_lines_that_are_unusable(case: str, tmp_path: Path) -> None:
    records, match = BAD[case]
    model = write(tmp_path / "t.jsonl", records)
    with pytest.raises(UserError, match=match) as caught:
        load_transcriber(model)
    assert "\n" not in str(caught.value)


def test_not_a_file_and_not_text(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.jsonl", ""):
        with pytest.raises(UserError, match="is not a file"):
            load_transcriber(f"transcripts:{path}")
    (tmp_path / "t.jsonl").write_bytes(b"\xff\xfe{}\n")
    with pytest.raises(UserError, match="line 1: not JSON"):
        load_transcriber(f"transcripts:{tmp_path / 't.jsonl'}")


def test_options_that_transcripts_cannot_be_told(tmp_path: Path) -> None:
    model = write(tmp_path / "t.jsonl", [{"audio_sha256": SHA, "hypothesis": "a"}])
    for option, value in {"dtype": "float16", "language": "de", "num_beams": 5, "audio_context": "full"}.items():
        with pytest.raises(UserError, match=f"{option}: .* cannot be set for transcripts:"):
            load_transcriber(model, **{option: value})
