from pathlib import Path

import numpy as np
import pytest

from askd_bench.perturbations import response_cache
from askd_bench.perturbations.impulse_responses import RoomResponse, analyse
from askd_bench.perturbations.response_cache import cached, room_responses

Responses = tuple[RoomResponse, RoomResponse]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path))
    room_responses.cache_clear()
    return tmp_path / "rirs"


class Maker:
    """Makes the same responses each time and counts how often."""

    def __init__(self, size: int = 800) -> None:
        self.calls = 0
        self.size = size

    def __call__(self) -> Responses:
        self.calls += 1
        noise = np.random.default_rng(0).standard_normal(self.size) * np.exp(-np.arange(self.size) / 60)
        return analyse(noise, direct=3, sampling_rate=16000), analyse(noise[::2], direct=1, sampling_rate=16000)


def same(one: Responses, two: Responses) -> bool:
    return all(
        np.array_equal(a.response, b.response) and (a.direct, a.rt60_s, a.drr_db) == (b.direct, b.rt60_s, b.drr_db)
        for a, b in zip(one, two, strict=True)
    )


def test_a_kept_response_equals_a_made_one_in_every_bit(folder: Path) -> None:
    make = Maker()
    made = cached("a", make, sampling_rate=16000)
    kept = cached("a", make, sampling_rate=16000)
    assert make.calls == 1
    assert same(made, kept)
    assert [path.name for path in folder.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_file_is_made_again(folder: Path, damage: str) -> None:
    make = Maker()
    made = cached("a", make, sampling_rate=16000)
    path = folder / "a.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"truncated": bytes(content[:-100]), "flipped": bytes(content), "empty": b"", "text": b"not a response"}[damage])
    assert same(made, cached("a", make, sampling_rate=16000))
    assert make.calls == 2
    assert same(made, cached("a", make, sampling_rate=16000))
    assert make.calls == 2


def test_where_nothing_can_be_written_all_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path / "file"))
    make = Maker()
    assert same(cached("a", make, sampling_rate=16000), cached("a", make, sampling_rate=16000))
    assert make.calls == 2


def test_the_folder_stays_under_its_bound_and_loses_what_was_used_longest_ago(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    make = Maker()
    for second, name in enumerate("abc"):
        cached(name, make, sampling_rate=16000)
        os.utime(folder / f"{name}.npz", (second, second))
    cached("a", make, sampling_rate=16000)  # used again
    monkeypatch.setattr(response_cache, "MOST_BYTES", 3 * (folder / "a.npz").stat().st_size)
    cached("d", make, sampling_rate=16000)
    assert sorted(path.name for path in folder.iterdir()) == ["a.npz", "c.npz", "d.npz"]


def test_a_write_that_fails_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(response_cache.os, "replace", refuse)
    cached("a", Maker(), sampling_rate=16000)
    assert list(folder.iterdir()) == []


def test_room_with_and_without_the_disk_is_the_same() -> None:
    first = room_responses(0, rt60_s=0.3, distance_m=1.0, sampling_rate=16000)
    room_responses.cache_clear()
    second = room_responses(0, rt60_s=0.3, distance_m=1.0, sampling_rate=16000)
    assert first[0] is not second[0]
    assert same(first[:2], second[:2])
    assert first[2] == second[2]
