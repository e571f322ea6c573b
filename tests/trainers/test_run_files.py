"""Files are whole or absent, and damaged ones are one line."""

import os

import pytest

from askd_bench.errors import UserError
from askd_trainers.files import read_json, write_json
from askd_trainers.trainer.checkpoints import undamaged_checkpoint, whole_checkpoint


def test_failed_write_leaves_what_was_there_and_no_rest(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", {"x": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"output: .*a.json' cannot be written: No space left"):
        write_json(tmp_path / "a.json", {"x": 2})
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"out: .*a.json is damaged; choose another folder"):
        read_json(tmp_path / "a.json", argument="out")


def checkpoint(output, step):
    with whole_checkpoint(str(output), step, None, None, True):
        for name in ("model.safetensors", "optimizer.pt"):
            (output / f"checkpoint-{step}" / name).write_bytes(f"{name} at {step}".encode())


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "no json"])
def test_a_damaged_checkpoint_is_passed_over(damage, tmp_path):
    for step in (8, 16):
        checkpoint(tmp_path, step)
    assert undamaged_checkpoint(tmp_path) == tmp_path / "checkpoint-16"
    for step, before in ((16, tmp_path / "checkpoint-8"), (8, None)):
        file = tmp_path / f"checkpoint-{step}" / ("complete.json" if damage == "no json" else "model.safetensors")
        content = file.read_bytes()
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes({"flipped": content[:-1] + b"x", "cut": content[:-1], "no json": b"{"}[damage])
        if before is not None:
            assert undamaged_checkpoint(tmp_path) == before
    with pytest.raises(UserError, match=r"all checkpoints in .* are damaged"):
        undamaged_checkpoint(tmp_path)
