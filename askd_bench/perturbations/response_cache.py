"""Simulated responses kept on disk: what they are computed from is their name, so that a cached one equals a new one bit for bit.

A file is the SHA-256 of an npz archive followed by the archive. One that does not fit its hash is made again. The folder,
`rirs` of `cache_path`, is kept under 256 MB by deleting what was used longest ago. Where it cannot be
written, nothing is kept and all still works.
"""

import contextlib
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from askd_bench.paths import cache_path
from askd_bench.perturbations.impulse_responses import RoomResponse, analyse
from askd_bench.perturbations.rooms import draw_room, fingerprint, simulate

MOST_BYTES = 256 * 2**20
_HASH_BYTES = 32
Responses = tuple[RoomResponse, RoomResponse]


@lru_cache(maxsize=128)
def room_responses(index: int, *, rt60_s: float, distance_m: float, sampling_rate: int) -> tuple[RoomResponse, RoomResponse, float]:
    """Return room number `index` of a pool: the responses from mouth and noise source, and its volume in m³."""
    room = draw_room(index, rt60_s=rt60_s, distance_m=distance_m)
    name = fingerprint(room, rt60_s=rt60_s, sampling_rate=sampling_rate)
    mouth, noise = cached(name, lambda: simulate(room, rt60_s=rt60_s, sampling_rate=sampling_rate), sampling_rate=sampling_rate)
    return mouth, noise, room.volume_m3


def cached(name: str, make: Callable[[], Responses], *, sampling_rate: int) -> Responses:
    """Return the responses kept under `name`, or make and keep them."""
    path = cache_path("rirs") / f"{name}.npz"
    kept = _read(path, sampling_rate)
    if kept is not None:
        return kept
    made = make()
    with contextlib.suppress(OSError):
        _write(path, made)
        _tidy(path.parent)
    return made


def _read(path: Path, sampling_rate: int) -> Responses | None:
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_HASH_BYTES:]).digest() != content[:_HASH_BYTES]:
            return None
        with np.load(io.BytesIO(content[_HASH_BYTES:]), allow_pickle=False) as archive:
            mouth, noise = (
                analyse(archive[name], direct=int(archive[f"{name}_direct"]), sampling_rate=sampling_rate) for name in ("mouth", "noise")
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used just now
    return mouth, noise


def _write(path: Path, responses: Responses) -> None:
    stream = io.BytesIO()
    mouth, noise = responses
    np.savez(stream, mouth=mouth.response, mouth_direct=mouth.direct, noise=noise.response, noise_direct=noise.direct)
    content = stream.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _tidy(folder: Path) -> None:
    """Delete the files used longest ago until the folder is under its bound; another process may be doing the same."""
    files = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
