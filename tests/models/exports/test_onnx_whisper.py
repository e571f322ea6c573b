"""ONNX exports against the transformers adapter on the checkpoint they were made from: the bundled one, and small random ones."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from exported import GENERATION, assert_alike, noise
from onnx_export import export_onnx, merge_decoders
from onnxruntime.quantization import QuantType, quantize_dynamic

from askd_bench.errors import UserError
from askd_bench.models import load
from askd_bench.models.exports.onnx_files import find_onnx_files
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.types import Transcription

CHECKPOINT = bundled_models()[DEFAULT_MODEL]


def load_transcriber(model: object, **options: Any) -> Any:
    return load.load_transcriber(str(model), **{"threads": 1, **options})


def quantize(export: Path, folder: Path, ending: str = "") -> Path:
    shutil.copytree(export, folder, ignore=shutil.ignore_patterns("*.onnx"), dirs_exist_ok=True)
    for file in export.glob("*.onnx"):
        target = folder / f"{file.stem}{ending}.onnx"
        quantize_dynamic(file, target, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"])
    return folder


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint in float32."""
    return export_onnx(CHECKPOINT, tmp_path_factory.mktemp("onnx") / "tiny")


@pytest.fixture(scope="session")
def small(make_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A multilingual checkpoint of random weights with two decoder layers and a window of 10 s, and its export."""
    checkpoint = make_checkpoint("small", generation={**GENERATION, "max_length": 48}, vocab_size=51_865, decoder_layers=2)
    return checkpoint, export_onnx(checkpoint, tmp_path_factory.mktemp("onnx") / "small")


@pytest.fixture
def folder(small: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the small export, to be spoilt."""
    return shutil.copytree(small[1], tmp_path / "export")


def test_float32_is_what_transformers_makes_of_the_checkpoint(
    export: Path, transcriber: Any, clips: list[Any], transcriptions: list[Transcription]
) -> None:
    """Text, words, and confidences at all temperatures; 1e-3 nat, of 2e-5 seen."""
    ours = load_transcriber(f"onnx:{export}")
    for one, other in zip(ours.transcribe([ours.frontend(clip) for clip in clips]), transcriptions, strict=True):
        assert_alike(one, other, 1e-3)
    same = ("architecture", "parameters", "macs_per_second", "dtype", "device", "threads")
    assert [getattr(ours.card, name) for name in same] == [getattr(transcriber.card, name) for name in same]
    assert ours.card.decoding == {**transcriber.card.decoding, "runtime": f"onnxruntime {onnxruntime.__version__}"}
    assert (ours.window_s, ours.card.id) == (30.0, "tiny")
    assert ours.card.weights_bytes == sum(file.stat().st_size for file in export.glob("*.onnx"))


def test_int8_differs_little(
    export: Path, clips: list[Any], transcriptions: list[Transcription], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", "askd_bench")
    int8 = load_transcriber(f"onnx:{quantize(export, tmp_path / 'int8')}")
    told = [record.message for record in caplog.records if record.name == "askd_bench"]
    assert (int8.card.dtype, told) == ("int8", ["dtype auto: int8 on cpu, in which the export is stored"])
    assert int8.card.weights_bytes < 0.3 * sum(file.stat().st_size for file in export.glob("*.onnx"))
    for one, other in zip(int8.transcribe([int8.frontend(clips[0])]), transcriptions, strict=False):
        first, second = (set(text.lower().split()) for text in (one.text, other.text))
        assert len(first & second) >= len(second) / 2
        assert all(value < 0 for value in one.token_logprobs)
        assert one.token_logprobs != other.token_logprobs


# --- small checkpoints of random weights -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("merged", [False, True])
def test_tokens_up_to_the_longest_length_in_both_layouts(merged: bool, small: tuple[Path, Path], tmp_path: Path) -> None:
    """Random weights rarely end: every position that transformers decodes is decoded."""
    export = merge_decoders(small[1], tmp_path / "merged") if merged else small[1]
    theirs, ours = (load_transcriber(model, language="de", task="translate") for model in (small[0], f"onnx:{export}"))
    assert ours._parts.settings == theirs._settings
    assert ours.window_s == theirs.window_s == 10.0
    features = [ours.frontend(noise(2.0, seed)) for seed in range(4)]
    expected = theirs.transcribe(features)
    for one, other in zip(ours.transcribe(features), expected, strict=True):
        assert_alike(one, other, 2e-3)
    assert max(len(ours._parts.tokenizer(one.text)["input_ids"]) for one in expected) > 30
    assert len({one.text for one in expected}) > 1


def test_weights_beside_the_graph_count_as_weights(folder: Path) -> None:
    """Large exports keep them in files of their own."""
    whole = load_transcriber(f"onnx:{folder}")
    for file in folder.glob("*.onnx"):
        onnx.save(onnx.load(file), file, save_as_external_data=True, location=f"{file.stem}.weights", size_threshold=0)
    beside = load_transcriber(f"onnx:{folder}")
    features = [whole.frontend(noise(2.0))]
    assert beside.transcribe(features) == whole.transcribe(features)
    assert beside.card.weights_bytes == pytest.approx(whole.card.weights_bytes, rel=0.01)
    data = folder / "decoder_model.weights"
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\1")
    assert load_transcriber(f"onnx:{folder}").card.weights_sha256 != beside.card.weights_sha256
    data.unlink()
    refused(f"onnx:{folder}", "cannot be loaded: .*decoder_model.weights")


@pytest.mark.parametrize(("language", "task"), [("en", "transcribe"), ("de", "translate")])
def test_longer_than_the_window_is_transformers_long_form(language: str, task: str, small: tuple[Path, Path]) -> None:
    theirs, ours = (load_transcriber(model, language=language, task=task) for model in (small[0], f"onnx:{small[1]}"))
    short, long = ours.frontend(noise(3.0)), ours.frontend(noise(24.0, 1))
    first, second, third = ours.transcribe([short, long, short])
    assert (first.long_form, second.long_form, third.long_form) == (False, True, False)
    for one, other in ((third, first), (first, ours.transcribe([short])[0]), (second, theirs.transcribe([long])[0])):
        assert_alike(one, other, 2e-3)


def test_a_short_audio_context_needs_a_graph_that_takes_it(small: tuple[Path, Path], tmp_path: Path) -> None:
    """The usual graph adds all rows of the position embedding, also where its axis of time has a name."""
    refused(
        f"onnx:{small[1]}", r"^audio_context: 'margin 20' cannot be set for 'onnx:.*of one length \(allowed: full; or", audio_context="20"
    )
    export = export_onnx(small[0], tmp_path / "any", any_length=True)
    theirs, ours = (load_transcriber(model, audio_context="20") for model in (small[0], f"onnx:{export}"))
    assert ours.card.decoding["audio_context"] == "margin 20"
    features = [ours.frontend(noise(seconds, seed)) for seed, seconds in enumerate((0.4, 2.0, 2.0, 6.5, 10.0))]
    for one, other in zip(ours.transcribe(features), theirs.transcribe(features), strict=True):
        assert_alike(one, other, 2e-3)


def test_a_read_book_in_two_windows(export: Path, transcriber: Any, long_clip: np.ndarray) -> None:
    """The second window starts where a segment ended, not at 30 s."""
    [ours], [theirs] = (model.transcribe([model.frontend(long_clip)]) for model in (load_transcriber(f"onnx:{export}"), transcriber))
    assert len(ours.text.split()) > 60
    assert_alike(ours, theirs, 1e-3)


def test_files_may_lie_in_a_subfolder_and_share_an_ending(small: tuple[Path, Path], tmp_path: Path) -> None:
    export = quantize(small[1], tmp_path / "hub" / "onnx", "_quantized").parent
    for file in small[1].glob("*.json"):
        shutil.copy(file, export)
    int8 = load_transcriber(f"onnx:{export}")
    assert (int8.card.dtype, int8.card.id) == ("int8", "hub")
    [one] = int8.transcribe([int8.frontend(noise(2.0))])
    assert len(one.text) > 40
    shutil.copy(export / "onnx" / "encoder_model_quantized.onnx", export / "onnx" / "encoder_model_q8.onnx")
    refused(f"onnx:{export}", "holds exports ending in _q8, _quantized .allowed: a folder with one of them")
    for file in small[1].glob("*.onnx"):
        shutil.copy(file, export / "onnx")
    assert load_transcriber(f"onnx:{export}").card.dtype == "float32", "plain names go before others"


def test_a_merged_decoder_goes_before_its_parts(small: tuple[Path, Path], tmp_path: Path) -> None:
    merged = merge_decoders(small[1], tmp_path / "merged")
    for file in small[1].glob("*.onnx"):
        shutil.copy(file, merged)
    assert [file.name for file in find_onnx_files("onnx:x", merged)] == ["encoder_model.onnx", "decoder_model_merged.onnx"]


def refused(model: object, said: str, **options: object) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(model, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_the_extra_is_not_installed(package: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    refused(f"onnx:{folder}", rf"needs the package {package} \(allowed: once pip install 'askd-bench\[onnx\]' is done\)")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("encoder_model.onnx", "has no encoder_model.onnx .allowed: what optimum-cli export onnx"),
        ("decoder_model.onnx", "has neither decoder_model_merged.onnx nor decoder_model.onnx"),
        ("decoder_with_past_model.onnx", "has neither decoder_model_merged.onnx nor decoder_with_past_model.onnx"),
        ("config.json", "has no readable configuration"),
        ("preprocessor_config.json", "cannot be loaded"),
        ("tokenizer.json", "Whisper tokenizer"),
    ],
)
def test_a_file_that_is_missing(file: str, said: str, folder: Path) -> None:
    (folder / file).unlink()
    refused(f"onnx:{folder}", said)


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_a_file_that_cannot_be_read(content: bytes, folder: Path) -> None:
    (folder / "decoder_model.onnx").write_bytes(content)
    refused(f"onnx:{folder}", "cannot be loaded")


def test_generation_settings_may_be_missing(folder: Path) -> None:
    """As in the transformers adapter, they follow from the tokenizer and the configuration; nothing is suppressed."""
    (folder / "generation_config.json").unlink()
    settings = load_transcriber(f"onnx:{folder}", language="de")._parts.settings
    assert (settings.suppressed, settings.max_length, len(settings.prompt)) == ((), 48, 4)


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_an_export_that_does_not_fit_its_configuration(folder: Path) -> None:
    refused(f"onnx:{folder.parent}/absent", "names no folder .allowed: onnx:FOLDER")
    change(folder / "config.json", max_source_positions=1500)
    refused(f"onnx:{folder}", r"an encoder for inputs of shape \['batch_size', 80, 1000\] .allowed: any batch, 80, 3000")
    change(folder / "config.json", model_type="bert")
    refused(f"onnx:{folder}", "an export of a 'bert' model .allowed: of Whisper models")


def test_decoders_that_ask_for_something_else(folder: Path) -> None:
    model = onnx.load(folder / "decoder_with_past_model.onnx")
    model.graph.input.append(onnx.helper.make_tensor_value_info("head_mask", onnx.TensorProto.FLOAT, [2, 2]))
    onnx.save(model, folder / "decoder_with_past_model.onnx")
    refused(f"onnx:{folder}", "a decoder that asks for head_mask .allowed: input_ids, encoder_hidden_states,")
    shutil.copy(folder / "decoder_model.onnx", folder / "decoder_with_past_model.onnx")
    refused(f"onnx:{folder}", "a decoder without a past")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("num_beams", 2, r"num_beams: 2 cannot be set for an ONNX export, which is decoded greedily \(allowed: 1\)"),
        ("dtype", "float16", r"dtype: 'float16' cannot be set for an ONNX export, .*\(allowed: auto, float32\)"),
        ("device", "mps", r"device: 'mps' is not there for ONNX Runtime \(allowed here: auto, cpu"),
        ("device", "cuda:99", "device: 'cuda:99' is not there for ONNX Runtime"),
        ("language", "xx", r"language: 'xx' is unknown to this model \(allowed: de, en\)"),
    ],
)
def test_options_that_the_runtime_has_not(option: str, value: object, said: str, folder: Path) -> None:
    refused(f"onnx:{folder}", said, **{option: value})
