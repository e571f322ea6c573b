"""A checkpoint whose settings ask for more than any machine has, or are damaged, is told at once in one line."""

import json
import shutil
from pathlib import Path

import pytest

from askd_bench.errors import UserError
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import bundled_models

DAMAGE = {"empty": "", "list": "[]", "open": "{", "deep list": "[" * 100_000, "deep object": '{"a":' * 10_000, "zero": "\x00"}
DOCUMENTS = ("config.json", "generation_config.json", "tokenizer_config.json", "preprocessor_config.json")


@pytest.mark.parametrize(
    ("file", "setting", "said"),
    [
        ("config.json", {"decoder_layers": 10**9}, r"config\.json: decoder_layers: 1000000000 is out of range \(allowed: up to 1000\)"),
        ("config.json", {"d_model": 10**18}, r"config\.json: d_model: 1000000000000000000 is out of range"),
        ("preprocessor_config.json", {"n_fft": 10**7}, r"n_fft: 10000000 is out of range"),
        ("preprocessor_config.json", {"hop_length": 0}, r"cannot be loaded: "),
    ],
)
def test_settings_out_of_bounds_are_one_line(file: str, setting: dict[str, object], said: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled_models()["whisper-tiny.en"], tmp_path / "model"))
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | setting))
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(str(folder))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", DOCUMENTS)
def test_a_damaged_document_is_one_line(file: str, damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for one in bundled_models()["whisper-tiny.en"].iterdir():
        (folder / one.name).symlink_to(one)
    (folder / file).unlink()
    (folder / file).write_text(DAMAGE[damage])
    with pytest.raises(UserError, match=r"cannot be loaded|no readable configuration") as caught:
        load_transcriber(str(folder))
    assert str(caught.value).isprintable()
