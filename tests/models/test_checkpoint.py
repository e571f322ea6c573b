"""What may not run: code in pickled weights, and code of a checkpoint whose revision is not pinned."""

import json
import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import open_checkpoint
from askd_bench.models.load import load_transcriber

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def safe(make_checkpoint: Callable[..., Path]) -> Path:
    return make_checkpoint("student")


@pytest.fixture
def pickled(safe: Path, tmp_path: Path) -> Path:
    """The same checkpoint with its weights as `pytorch_model.bin`."""
    folder = Path(shutil.copytree(safe, tmp_path / "student"))
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def refused(model: object, said: str, **options: Any) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(str(model), threads=1, **options)
    assert "\n" not in str(caught.value)


def test_honest_pickled_weights_load(safe: Path, pickled: Path) -> None:
    loaded, expected = load_transcriber(str(pickled), threads=1), load_transcriber(str(safe), threads=1)
    assert loaded.card.weights_sha256 == expected.card.weights_sha256
    assert loaded.card.parameters == expected.card.parameters


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_pickled_weights_is_refused_and_does_not_run(zipped: bool, pickled: Path, tmp_path: Path) -> None:
    target, file = tmp_path / "was-here", pickled / "pytorch_model.bin"
    weights = {**torch.load(file, weights_only=True), "payload": Payload(target)}
    torch.save(weights, file, _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(file) is zipped
    refused(pickled, r"model: .*student' cannot be loaded: ")
    assert not target.exists()
    torch.load(file, weights_only=False)
    assert target.exists(), "the file is dangerous to those who are not careful"


def test_a_bare_pickle_is_refused_and_does_not_run(pickled: Path, tmp_path: Path) -> None:
    target = tmp_path / "was-here"
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps({"payload": Payload(target)}))
    refused(pickled, r"model: .*student' cannot be loaded: ")
    assert not target.exists()


@pytest.mark.parametrize("revision", ["", "@main", "@v1.0", f"@{COMMIT[:12]}", f"@{COMMIT.upper()}"])
def test_remote_code_needs_a_pinned_commit(revision: str) -> None:
    refused(f"owner/name{revision}", r"trust_remote_code: 'owner/name.*' does not pin the code that would run", trust_remote_code=True)


def test_remote_code_at_a_commit_is_looked_for() -> None:
    """Without a network it is not found, and that is what is said."""
    refused(f"owner/name@{COMMIT}", "no readable configuration", trust_remote_code=True)
    refused("owner/name", "no readable configuration")


def test_code_of_a_folder_runs_only_when_trusted(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])
    folder, target = Path(shutil.copytree(safe, tmp_path / "custom")), tmp_path / "was-here"
    (folder / "own.py").write_text(
        f"import os\nfrom transformers import PretrainedConfig\nos.mkdir({str(target)!r})\n\n\n"
        "class OwnConfig(PretrainedConfig):\n    model_type = 'own'\n"
    )
    config = json.loads((folder / "config.json").read_text())
    config.update(model_type="own", auto_map={"AutoConfig": "own.OwnConfig"})
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "no readable configuration")
    assert not target.exists()
    assert open_checkpoint(str(folder), trust_remote_code=True).config.model_type == "own"
    assert target.exists()
