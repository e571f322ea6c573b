"""Files of a result directory that may be stored compressed, as their suffix says: by gzip, or, a quarter smaller, by bzip2.

Both write the same bytes for the same content, whatever the day and the machine.
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


class DamagedFile(UserError):
    """A compressed file was cut or changed."""


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
        DamagedFile: on the way, where it is cut or changed; lines before that are given.
    """
    with _telling_damage(path), _open(path) as file:
        yield from file


def packed(content: bytes, path: Path) -> bytes:
    """Return the content as a file of that name stores it."""
    if path.suffix == ".gz":
        return gzip.compress(content, 9, mtime=0)
    return bz2.compress(content) if path.suffix == ".bz2" else content


def unpacked(stored: bytes, path: Path) -> bytes:
    """Return what `packed` was given.

    Raises:
        DamagedFile: it is cut or changed.
    """
    with _telling_damage(path):
        if path.suffix == ".gz":
            return gzip.decompress(stored)
        return bz2.decompress(stored) if path.suffix == ".bz2" else stored


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    return cast(BinaryIO, bz2.open(path)) if path.suffix == ".bz2" else path.open("rb")


@contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    """Tell a decompressor's complaint from the system's, which has a number."""
    try:
        yield
    except (EOFError, OSError, ValueError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFile(f"result_dir: {str(path)!r} is damaged: {error} (allowed: a whole file; copy or make it again)") from None
