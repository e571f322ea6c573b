"""One folder for everything that is kept to be used again, wherever the variables put it."""

from pathlib import Path

import pytest

from askd_bench.paths import cache_path


def test_everything_is_inside_the_folder_that_the_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path / "c"))
    assert {cache_path(name).parent for name in ("rirs", "encoder-states", "audio-hashes.json")} == {tmp_path / "c"}


def test_by_default_it_is_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ASKD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_path("rirs") == tmp_path / ".cache" / "askd-bench" / "rirs"
    monkeypatch.setenv("ASKD_CACHE", "")
    assert cache_path("rirs") == tmp_path / ".cache" / "askd-bench" / "rirs"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_path("rirs") == tmp_path / "xdg" / "askd-bench" / "rirs"
    monkeypatch.setenv("ASKD_CACHE", "~/mine")
    assert cache_path("rirs") == tmp_path / "mine" / "rirs"
