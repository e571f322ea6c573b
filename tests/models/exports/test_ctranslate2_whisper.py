"""CTranslate2 exports against the transformers adapter on the checkpoint they were made from: the bundled one, and small random ones."""

import hashlib
import json
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from ctranslate2.converters import TransformersConverter
from exported import GENERATION, assert_alike, noise
from speech_files import write_manifest
from transformers import AutoConfig

from askd_bench.errors import UserError
from askd_bench.evaluation.run import run
from askd_bench.models import load
from askd_bench.models.exports.ctranslate2_file import read_model_file, whisper_config
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.report.compare import compare
from askd_bench.types import Transcription

CHECKPOINT = bundled_models()[DEFAULT_MODEL]
COPIED = ["tokenizer.json", "preprocessor_config.json"]


def load_transcriber(model: object, **options: Any) -> Any:
    return load.load_transcriber(str(model), **{"threads": 1, **options})


def convert(checkpoint: Path, folder: Path, quantization: str, copied: list[str] = COPIED) -> Path:
    TransformersConverter(str(checkpoint), copy_files=copied).convert(str(folder), quantization=quantization)
    return folder


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundled checkpoint (float16) in two types."""
    folder = tmp_path_factory.mktemp("ctranslate2")
    return {quantization: convert(CHECKPOINT, folder / quantization, quantization) for quantization in ("float32", "int8")}


@pytest.fixture(scope="session")
def small(make_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A multilingual checkpoint of random weights with a window of 10 s, and its export."""
    checkpoint = make_checkpoint("small", generation=GENERATION, vocab_size=51_865)
    return checkpoint, convert(checkpoint, tmp_path_factory.mktemp("small") / "export", "float32")


@pytest.fixture
def folder(small: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the small export, to be spoilt."""
    return shutil.copytree(small[1], tmp_path / "export")


def test_float32_is_what_transformers_makes_of_the_checkpoint(
    exports: dict[str, Path], transcriber: Any, clips: list[Any], transcriptions: list[Transcription]
) -> None:
    """Text, words, and confidences at all temperatures; 1e-3 nat, of 2e-5 seen."""
    export = load_transcriber(f"ctranslate2:{exports['float32']}")
    for ours, theirs in zip(export.transcribe([export.frontend(clip) for clip in clips]), transcriptions, strict=True):
        assert_alike(ours, theirs, 1e-3)
    same = ("architecture", "parameters", "macs_per_second", "dtype", "device", "threads")
    assert [getattr(export.card, name) for name in same] == [getattr(transcriber.card, name) for name in same]
    assert export.card.decoding == {**transcriber.card.decoding, "runtime": f"ctranslate2 {ctranslate2.__version__}"}
    assert (export.window_s, export.card.id) == (30.0, "float32")
    assert export.card.weights_sha256 == hashlib.sha256((exports["float32"] / "model.bin").read_bytes()).hexdigest()


def test_int8_differs_little(
    exports: dict[str, Path], clips: list[Any], transcriptions: list[Transcription], caplog: pytest.LogCaptureFixture
) -> None:
    """Where speech is clean; under noise a word may well turn."""
    caplog.set_level("INFO", "askd_bench")
    export = load_transcriber(f"ctranslate2:{exports['int8']}")
    assert export.card.dtype == "int8_float32"
    assert caplog.messages == ["dtype auto: int8_float32 on cpu; the export is stored in int8"]
    assert export.card.weights_bytes < 0.27 * load_transcriber(f"ctranslate2:{exports['float32']}").card.weights_bytes
    alike = 0
    for ours, theirs in zip(export.transcribe([export.frontend(clip) for clip in clips[:4]]), transcriptions, strict=False):
        alike += ours.text.lower() == theirs.text.lower()
        if ours.text == theirs.text:
            np.testing.assert_allclose(ours.token_logprobs, theirs.token_logprobs, atol=0.5)
            assert ours.token_logprobs != theirs.token_logprobs
    assert alike >= 3


def test_what_quantisation_costs(exports: dict[str, Path], short_clips: list[Any], tmp_path: Path) -> None:
    records = [{"id": clip.id, "audio_filepath": str(clip.audio), "text": clip.reference, "split": "test"} for clip in short_clips[:2]]
    manifest = write_manifest(tmp_path / "speech", records)
    results = run(
        "noisy",
        [f"ctranslate2:{exports[name]}" for name in ("float32", "int8")],
        corpus=[str(manifest)],
        conditions=["babble-0dB"],
        output=tmp_path / "results",
        threads=1,
        workers=0,
    )
    comparison = compare(student=results[1].path, teacher=results[0].path)
    assert [result.signature.model.dtype for result in results] == ["float32", "int8_float32"]
    assert {row.condition for row in comparison.conditions} == {"clean", "babble-0dB"}
    assert comparison.pooled.wer["student"].value is not None
    rows = [json.loads(line) for line in (results[1].path / "utterances.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    assert all(row["error"] is None and row["batch"] == 2 for row in rows)
    assert all(0 < confidence < 1 for row in rows for _, confidence in row["words"])


# --- small checkpoints of random weights -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "task"), [("en", "transcribe"), ("de", "translate")])
def test_tokens_up_to_the_longest_length_and_the_prompt(language: str, task: str, small: tuple[Path, Path]) -> None:
    """Random weights rarely end: every position that transformers decodes is decoded."""
    theirs, ours = (load_transcriber(model, language=language, task=task) for model in (small[0], f"ctranslate2:{small[1]}"))
    assert ours._parts.settings == theirs._settings
    assert ours.window_s == theirs.window_s == 10.0
    features = [ours.frontend(noise(2.0, seed)) for seed in range(4)]
    np.testing.assert_array_equal(features[3], theirs.frontend(noise(2.0, 3)))
    expected = theirs.transcribe(features)
    for one, other in zip(ours.transcribe(features), expected, strict=True):
        assert_alike(one, other, 2e-3)
    assert max(len(ours._parts.tokenizer(one.text)["input_ids"]) for one in expected) > 30
    assert len({one.text for one in expected}) > 1


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_short_audio_context_is_that_of_transformers(num_beams: int, small: tuple[Path, Path], folder: Path) -> None:
    """By the option, and by the field in the export's config.json; clips of several lengths, two of them equal, in one batch."""
    asked = {"audio_context": "20", "num_beams": num_beams}
    theirs, ours = (load_transcriber(model, **asked) for model in (small[0], f"ctranslate2:{folder}"))
    features = [ours.frontend(noise(seconds, seed)) for seed, seconds in enumerate((0.4, 2.0, 2.0, 6.5, 10.0))]
    heard = ours.transcribe(features)
    for one, other in zip(heard, theirs.transcribe(features), strict=True):
        assert_alike(one, other, 2e-3)
    assert len({one.text for one in heard}) == len(heard)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "audio_context": {"margin": 20}}))
    kept = load_transcriber(f"ctranslate2:{folder}", num_beams=num_beams)
    assert kept.card.decoding == ours.card.decoding
    assert kept.card.decoding["audio_context"] == "margin 20"
    assert kept.transcribe(features) == heard


def test_other_rows_of_the_position_embedding_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "audio_context": {"margin": 20, "rows": "last"}}))
    with pytest.raises(UserError, match=r"^audio_context: rows 'last' cannot be had from CTranslate2 \(allowed: 'first'\)$"):
        load_transcriber(f"ctranslate2:{folder}")
    assert "audio_context" not in load_transcriber(f"ctranslate2:{folder}", audio_context="full").card.decoding


@pytest.mark.parametrize(("language", "task"), [("en", "transcribe"), ("de", "translate")])
def test_longer_than_the_window_is_transformers_long_form(language: str, task: str, small: tuple[Path, Path]) -> None:
    theirs, ours = (load_transcriber(model, language=language, task=task) for model in (small[0], f"ctranslate2:{small[1]}"))
    short, long = ours.frontend(noise(3.0)), ours.frontend(noise(24.0, 1))
    first, second, third = ours.transcribe([short, long, short])
    assert (first.long_form, second.long_form, third.long_form) == (False, True, False)
    assert_alike(first, third, 1e-3)
    assert_alike(second, theirs.transcribe([long])[0], 2e-3)


def test_a_read_book_in_two_windows(exports: dict[str, Path], transcriber: Any, long_clip: np.ndarray) -> None:
    """The second window starts where a segment ended, not at 30 s."""
    export = load_transcriber(f"ctranslate2:{exports['float32']}")
    [ours], [theirs] = (model.transcribe([model.frontend(long_clip)]) for model in (export, transcriber))
    assert len(ours.text.split()) > 60
    assert_alike(ours, theirs, 1e-3)
    beams = load_transcriber(f"ctranslate2:{exports['int8']}", num_beams=2)
    [searched] = beams.transcribe([beams.frontend(long_clip)])
    assert (searched.long_form, searched.words) == (True, ())
    assert len(searched.text.split()) > 60


def test_beams_give_text_alone(folder: Path) -> None:
    beams = load_transcriber(f"ctranslate2:{folder}", num_beams=2)
    assert beams.card.decoding["num_beams"] == 2
    [one] = beams.transcribe([beams.frontend(noise(2.0))])
    assert one == Transcription(text=one.text)
    assert len(one.text) > 40


def test_the_usual_spectrogram_needs_no_file(folder: Path) -> None:
    with_file = load_transcriber(f"ctranslate2:{folder}")
    (folder / "preprocessor_config.json").unlink()
    without = load_transcriber(f"ctranslate2:{folder}")
    np.testing.assert_array_equal(without.frontend(noise(2.0)), with_file.frontend(noise(2.0)))


def test_the_file_tells_the_architecture(exports: dict[str, Path], small: tuple[Path, Path]) -> None:
    compared = ("vocab_size", "d_model", "num_mel_bins", "max_source_positions", "max_target_positions", "tie_word_embeddings")
    compared += tuple(f"{part}_{size}" for part in ("encoder", "decoder") for size in ("layers", "ffn_dim"))
    for export, checkpoint in ((exports["float32"], CHECKPOINT), (exports["int8"], CHECKPOINT), (small[1], small[0])):
        found, expected = whisper_config(read_model_file(export / "model.bin")), AutoConfig.from_pretrained(checkpoint)
        assert {name: getattr(found, name) for name in compared} == {name: getattr(expected, name) for name in compared}
    assert [read_model_file(exports[name] / "model.bin").weights_dtype for name in ("float32", "int8")] == ["float32", "int8"]


def refused(model: object, said: str, **options: object) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(model, **options)
    assert "\n" not in str(caught.value)


def test_the_extra_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    refused(f"ctranslate2:{folder}", r"needs the package ctranslate2 \(allowed: once pip install 'askd-bench\[faster-whisper\]' is done\)")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("model.bin", "has no model.bin .allowed: an export by ct2-transformers-converter"),
        ("tokenizer.json", "has no tokenizer.json .allowed: one made with --copy_files tokenizer.json preprocessor_config.json"),
        ("config.json", "cannot be loaded: .*config.json"),
        ("vocabulary.json", "cannot be loaded: Cannot load the vocabulary"),
    ],
)
def test_a_file_that_is_missing(file: str, said: str, folder: Path) -> None:
    (folder / file).unlink()
    refused(f"ctranslate2:{folder}", said)


def test_no_such_folder(tmp_path: Path) -> None:
    for path in ("", tmp_path / "absent"):
        refused(f"ctranslate2:{path}", "names no folder .allowed: ctranslate2:FOLDER")


def test_weights_that_cannot_be_read(folder: Path) -> None:
    file = folder / "model.bin"
    whole = file.read_bytes()
    for content in (b"", b"garbage" * 100, whole[:100_000], whole[:-2_000_000]):
        file.write_bytes(content)
        refused(f"ctranslate2:{folder}", "cannot be loaded: model.bin is (cut|not a CTranslate2 model)")
    file.write_bytes(whole.replace(struct.pack("<H", 12) + b"WhisperSpec\0", struct.pack("<H", 12) + b"AnotherSpec\0"))
    refused(f"ctranslate2:{folder}", "laid out as AnotherSpec, not as WhisperSpec")


def test_a_spectrogram_of_another_model(folder: Path) -> None:
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "feature_size": 128}))
    refused(f"ctranslate2:{folder}", "128 mel bands at 16000 Hz .allowed: 80")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("dtype", "bfloat16", r"dtype: 'bfloat16' is not computed by CTranslate2 on this cpu \(allowed: auto, .*float32\)"),
        ("device", "mps", r"device: 'mps' is not there for CTranslate2 \(allowed here: auto, cpu"),
        ("device", "cuda:99", "device: 'cuda:99' is not there for CTranslate2"),
        ("device", "cpu:0", "device: 'cpu:0' is not there for CTranslate2"),
        ("language", "xx", "language: 'xx' is unknown to this model .allowed: af, "),
    ],
)
def test_options_that_the_runtime_has_not(option: str, value: str, said: str, folder: Path) -> None:
    refused(f"ctranslate2:{folder}", said, **{option: value})


def test_another_type_than_it_is_stored_in(small: tuple[Path, Path], caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Weights rounded to int8, computed with in float32."""
    int8 = convert(small[0], tmp_path / "int8", "int8")
    caplog.set_level("INFO", "askd_bench")
    export = load_transcriber(f"ctranslate2:{int8}", dtype="float32")
    assert (export.card.dtype, caplog.messages) == ("float32", [])
    assert export.card.weights_bytes < 0.5 * load_transcriber(f"ctranslate2:{small[1]}").card.weights_bytes
