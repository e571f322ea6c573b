"""Every way in which `--model` can be wrong is one line, and what identifies a checkpoint does not hang on its files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL, bundled_models

CHECKPOINT = bundled_models()[DEFAULT_MODEL]


@pytest.fixture
def folder(make_checkpoint: Callable[..., Path]) -> Path:
    return make_checkpoint("student")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "tiny-bert"
    BertModel(BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=50)).save_pretrained(
        path
    )
    return path


def refused(model: object, said: str, **options: object) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(str(model), **{"threads": 1, **options})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def change(folder: Path, file: str, **values: object) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **values}))


def test_the_bundled_checkpoint(transcriber: object) -> None:
    card = transcriber.card  # type: ignore[attr-defined]
    assert (card.id, card.architecture, card.dtype, card.device) == (DEFAULT_MODEL, "WhisperForConditionalGeneration", "float32", "cpu")
    assert card.parameters == pytest.approx(37_760_256, rel=0.001)
    assert card.decoding == {"language": "en", "task": "transcribe", "num_beams": 1, "temperature": 0.0, "timestamps": False}
    assert transcriber.window_s == 30.0  # type: ignore[attr-defined]
    assert bundled_models()[DEFAULT_MODEL] == CHECKPOINT


def test_the_digest_is_of_the_tensors_not_of_the_files(folder: Path, tmp_path: Path) -> None:
    one = load_transcriber(str(folder), threads=1).card
    again = tmp_path / "student"
    WhisperForConditionalGeneration.from_pretrained(folder).save_pretrained(again, max_shard_size="200KB")
    assert len(list(again.glob("*.safetensors"))) > 1
    for file in folder.glob("*token*"):
        shutil.copy(file, again)
    shutil.copy(folder / "preprocessor_config.json", again)
    assert load_transcriber(str(again), threads=1).card.weights_sha256 == one.weights_sha256
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    with torch.no_grad():
        model.model.decoder.layers[0].fc1.bias[3] += 1e-6
    model.save_pretrained(folder)
    assert load_transcriber(str(folder), threads=1).card.weights_sha256 != one.weights_sha256


def test_a_folder_is_named_after_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    card = load_transcriber(".", threads=1).card
    assert (card.id, card.threads) == ("student", 1)


def test_no_such_model(tmp_path: Path) -> None:
    refused("whisper-tny.en", r"model: 'whisper-tny.en' is unknown; did you mean 'whisper-tiny.en'\?")
    refused(tmp_path / "absent", "is unknown")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "is a file")


def test_a_checkpoint_that_is_no_speech_model(bert: Path, folder: Path) -> None:
    refused(bert, r"is a 'bert' checkpoint, not a speech recogniser .*allowed: speech seq")
    shutil.copy(bert / "model.safetensors", folder)
    refused(folder, r"lacks \d+ of the tensors that its config.json asks for, e.g. model\.")


def test_weights_that_do_not_fit_are_never_filled_with_random_numbers(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(folder, "config.json", decoder_layers=2)
    refused(folder, r"lacks 24 of the tensors .* e\.g\. model\.decoder\.layers\.1\.")
    (folder / "config.json").write_text(json.dumps({**config, "decoder_ffn_dim": 64}))
    refused(folder, r"lacks 3 of the tensors .* e\.g\. model\.decoder\.layers\.0\.fc1")


def test_weights_that_are_not_numbers(folder: Path) -> None:
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    with torch.no_grad():
        model.model.encoder.conv1.bias[0] = float("nan")
    model.save_pretrained(folder)
    refused(folder, r"model\.encoder\.conv1\.bias that are not finite")


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, "half"])
def test_corrupt_safetensors(content: bytes | str, folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    refused(folder, "cannot be loaded")


def test_corrupt_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    for content in (b"", b"garbage" * 100):
        (folder / "pytorch_model.bin").write_bytes(content)
        refused(folder, "cannot be loaded")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config.json", "no readable configuration"),
        ("model.safetensors", "cannot be loaded"),
        ("preprocessor_config.json", "cannot be loaded"),
        ("tokenizer.json", "Whisper tokenizer"),
    ],
)
def test_a_file_that_is_missing(file: str, said: str, folder: Path) -> None:
    (folder / file).unlink()
    refused(folder, said)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model_type": "nope"}', '{"model_type": "whisper", "d_model": "x"}'])
def test_a_configuration_that_is_none(content: str, folder: Path) -> None:
    (folder / "config.json").write_text(content)
    refused(folder, "no readable configuration")


def test_a_feature_extractor_of_another_model(folder: Path) -> None:
    change(folder, "preprocessor_config.json", feature_size=128)
    refused(folder, "128 mel bands at 16000 Hz .allowed: 80")
    change(folder, "preprocessor_config.json", feature_size=80, sampling_rate=8000)
    refused(folder, "80 mel bands at 8000 Hz")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("dtype", "float8", "dtype: 'float8' is unknown"),
        ("device", "gpu", "device: 'gpu' is unknown"),
        ("device", "meta", "device: 'meta' is unknown"),
        ("device", "cuda:99", "device: 'cuda:99' is not there"),
        ("threads", 0, "threads: 0 is out of range"),
        ("threads", -2, "threads: -2 is out of range"),
        ("num_beams", 0, "num_beams: 0 is out of range"),
        ("audio_context", "-1", r"audio_context: '-1' is out of range \(allowed: a whole number"),
        ("audio_context", "long", "audio_context: 'long' is out of range"),
        ("task", "sing", "task: 'sing' is unknown"),
    ],
)
def test_options_out_of_range(option: str, value: object, said: str) -> None:
    refused(DEFAULT_MODEL, said, **{option: value})
