"""Files are whole or absent, and damaged ones are one line."""

import os

import pytest

from askd_bench.errors import UserError
from askd_trainers.files import read_json, write_json


def test_failed_write_leaves_what_was_there_and_no_rest(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", {"x": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"output: .*a.json cannot be written: No space left"):
        write_json(tmp_path / "a.json", {"x": 2})
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"out: .*a.json is damaged; choose another folder"):
        read_json(tmp_path / "a.json", argument="out")
