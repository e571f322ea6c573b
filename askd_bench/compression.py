"""Files of a result directory that may be stored compressed, as their suffix says: by gzip, or, a quarter smaller, by bzip2.

Both write the same bytes for the same content, whatever the day and the machine. Reading is bounded: 19 kB of bzip2 can stand for 4 GB.
"""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from askd_bench.errors import UserError

SUFFIXES = (".bz2", ".gz")

MOST_LINE_BYTES = 16 * 2**20
"""The longest line: an hour of speech, with confidences at every temperature, has 3 MB."""

_MOST_UNPACKED_BYTES = 64 * 2**20
_MOST_TIMES = 100
"""A compressed file may hold this many times its own size, besides; rows come to five times."""


class DamagedFile(UserError):
    """A compressed file was cut or changed, or holds more than any result would."""


def find_stored(path: Path) -> Path | None:
    """Return the file itself, else the one whose name has one of `SUFFIXES` besides; None where there is none.

    Raises:
        UserError: it is there in two ways, and nothing says which is the newer.
    """
    if path.is_file():
        return path
    compressed = [file for file in (path.with_name(path.name + suffix) for suffix in SUFFIXES) if file.is_file()]
    if len(compressed) > 1:
        names = " and ".join(file.name for file in compressed)
        raise UserError(f"result_dir: {str(path.parent)!r} holds {names} (allowed: one of them; delete the older)")
    return compressed[0] if compressed else None


def is_compressed(path: Path) -> bool:
    """Whether its name says so."""
    return path.suffix in SUFFIXES


def stored_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, decompressed on the way.

    Raises:
        DamagedFile: on the way, where it is cut or changed, or too much comes out; lines before that are given.
    """
    left = _MOST_UNPACKED_BYTES + _MOST_TIMES * path.stat().st_size
    with _telling_damage(path), path.open("rb") as stored, _unpacking(stored, path) as file:
        while line := file.readline(MOST_LINE_BYTES + 1):
            left -= len(line)
            if len(line) > MOST_LINE_BYTES or left < 0:
                raise ValueError(f"it holds a line of more than {MOST_LINE_BYTES // 2**20} MiB, or {_MOST_TIMES} times its own size")
            yield line


def stored_bytes(path: Path, most: int) -> bytes | None:
    """Return the content of a file, decompressed; None where it is more than `most` bytes.

    Raises:
        DamagedFile: it is cut or changed.
    """
    with _telling_damage(path), path.open("rb") as stored, _unpacking(stored, path) as file:
        content = file.read(most + 1)
    return content if len(content) <= most else None


def packed(content: bytes, path: Path) -> bytes:
    """Return the content as a file of that name stores it."""
    if path.suffix == ".gz":
        return gzip.compress(content, 9, mtime=0)
    return bz2.compress(content) if path.suffix == ".bz2" else content


def _unpacking(stored: BinaryIO, path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(stored))
    return cast(BinaryIO, bz2.open(stored)) if path.suffix == ".bz2" else stored


@contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    """Tell a decompressor's complaint from the system's, which has a number."""
    try:
        yield
    except (EOFError, OSError, ValueError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFile(f"result_dir: {str(path)!r} is damaged: {error} (allowed: a whole file; copy or make it again)") from None
