"""A checkpoint whose settings ask for more than any machine has is told at once, before anything is allocated."""

import json
import shutil
from pathlib import Path

import pytest

from askd_bench.errors import UserError
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import bundled_models


@pytest.mark.parametrize(
    ("file", "setting", "said"),
    [
        ("config.json", {"decoder_layers": 10**9}, r"config\.json: decoder_layers: 1000000000 is out of range \(allowed: up to 1000\)"),
        ("config.json", {"d_model": 10**18}, "config.json: d_model: 1000000000000000000 is out of range"),
        (
            "config.json",
            "asks for [0-9]{12,} parameters, and the files hold [0-9]+ bytes",
        ),
        ("preprocessor_config.json", {"n_fft": 10**7}, "n_fft: 10000000 is out of range"),
        ("preprocessor_config.json", {"hop_length": 0}, "cannot be loaded: .*"),
    ],
)
def test_settings_out_of_bounds_are_one_line(file: str, setting: dict[str, object], said: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled_models()["whisper-tiny.en"], tmp_path / "model"))
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | setting))
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(str(folder))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "[" * 100_000, '{"a":' * 10_000, "\x00"], ids=["empty", "list", "open", "deep list", "deep object", "zero"]
)
@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_a_damaged_document_is_one_line(file: str, content: str, tmp_path: Path) -> None:
    source = bundled_models()["whisper-tiny.en"]
    folder = tmp_path / "model"
    folder.mkdir()
    for one in source.iterdir():
        (folder / one.name).symlink_to(one)
    (folder / file).unlink()
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=r"cannot be loaded|no readable configuration") as caught:
        load_transcriber(str(folder))
    assert str(caught.value).isprintable()
