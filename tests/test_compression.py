"""What is stored compressed reads back, to the byte, and other tools read it; damage is told from what the system says."""

import collections
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from askd_bench.compression import SUFFIXES, DamagedFile, find_stored, is_compressed, packed, stored_bytes, stored_lines
from askd_bench.errors import UserError

CONTENT = Path(__file__).read_bytes() * 50
TOOLS = {".gz": "gzip", ".bz2": "bzip2"}


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_what_is_packed_reads_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(packed(CONTENT, path))
    assert is_compressed(path) == bool(suffix) == (path.stat().st_size < len(CONTENT) / 4)
    assert stored_bytes(path, len(CONTENT)) == CONTENT
    assert stored_bytes(path, len(CONTENT) - 1) is None
    assert list(stored_lines(path)) == CONTENT.splitlines(keepends=True)
    assert find_stored(tmp_path / "rows.jsonl") == path
    assert find_stored(tmp_path / "summary.json") is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_systems_own_tools_read_it_and_write_what_is_read(suffix: str, tmp_path: Path) -> None:
    if shutil.which(TOOLS[suffix]) is None:
        pytest.skip(f"no {TOOLS[suffix]} here")
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(packed(CONTENT, path))
    subprocess.run([TOOLS[suffix], "-d", path], check=True)
    plain = tmp_path / "rows.jsonl"
    assert plain.read_bytes() == CONTENT
    subprocess.run([TOOLS[suffix], "-9", plain], check=True)
    assert stored_bytes(path, len(CONTENT)) == CONTENT


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_damage_is_told(suffix: str, harm: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.jsonl{suffix}"
    whole = packed(CONTENT, path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] if harm == "cut" else whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(DamagedFile, match=rf"rows\.jsonl\{suffix}' is damaged: "):
        stored_bytes(path, 2 * len(CONTENT))
    with pytest.raises(DamagedFile, match=rf"rows\.jsonl\{suffix}' is damaged: "):
        list(stored_lines(path))


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_what_the_system_says_is_no_damage(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(stored_lines(tmp_path / f"rows.jsonl{suffix}"))
    with pytest.raises(IsADirectoryError):
        list(stored_lines(tmp_path))


def test_a_plain_file_comes_before_compressed_ones_and_two_of_these_are_refused(tmp_path: Path) -> None:
    for name in ("rows.jsonl.gz", "rows.jsonl.bz2"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"result_dir: .* holds rows\.jsonl\.bz2 and rows\.jsonl\.gz \(allowed: one of them"):
        find_stored(tmp_path / "rows.jsonl")
    (tmp_path / "rows.jsonl").touch()
    assert find_stored(tmp_path / "rows.jsonl") == tmp_path / "rows.jsonl"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("line", [b"\0", b"\0" * 9_999 + b"\n"], ids=["one line", "many lines"])
def test_what_unpacks_to_more_than_any_result_is_refused_before_it_fills_the_memory(suffix: str, line: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(packed(line * (100 * 2**20 // len(line)), path))
    tracemalloc.start()
    with pytest.raises(DamagedFile, match=r"is damaged: it holds a line of more than 16 MiB, or 100 times its own size"):
        collections.deque(stored_lines(path), maxlen=1)
    assert stored_bytes(path, 10**6) is None
    assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    tracemalloc.stop()
