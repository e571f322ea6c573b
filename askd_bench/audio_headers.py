"""How long a recording is by its header, where libsndfile and FFmpeg go by the size of the file: so a truncated one is told."""

import re
from collections.abc import Callable
from typing import Any

_UNKNOWN_LENGTH = 0x7FFF_0000  # written by encoders that pipe, and the counts above it: the length was not known
_BYTES = re.compile(r"^ *(?:data|SSND|BODY|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)  # WAV, AIFF, 8SVX, AU: announced, found
_FRAMES = re.compile(r"value from 'ds64' chunk of (\d+)")  # RF64
_FOUND_BYTES = re.compile(r"^\*\*\* File seems to be truncated\. (\d+) <--> (\d+)", re.MULTILINE)  # MAT4: found, announced
_W64_BYTES = re.compile(r"^riff : (\d+) \(should be (\d+)\)", re.MULTILINE)
_COUNTED = re.compile(r"^ *Frames *: (\d+)", re.MULTILINE)  # AVR, MPC2K
_SPHERE_COUNT = re.compile(rb"^sample_count -i (\d+)\s*$", re.MULTILINE)
_SPHERE_HEADER_BYTES = 1024


def announced_frames(frames: int, file_format: str, log: str, head: bytes) -> int:
    """Return how many frames the header of a file that libsndfile reads announces.

    Args:
        frames: those libsndfile expects, by the size of the file.
        file_format: libsndfile's name of the container, e.g. "WAV".
        log: what it noted while it read the header: it mentions there what it does not trust.
        head: the first bytes of the file, at least 1,024 of them where there are as many.
    """
    if file_format == "NIST":
        count = _SPHERE_COUNT.search(head[:_SPHERE_HEADER_BYTES])
        return int(count[1]) if count else frames
    if file_format in {"AVR", "MPC2K"}:
        count = _COUNTED.search(log)  # type: ignore[assignment]
        return int(count[1]) if count else frames
    if found := _FRAMES.search(log):
        return int(found[1])
    if found := _FOUND_BYTES.search(log):
        return frames * int(found[2]) // max(1, int(found[1]))
    found = (_W64_BYTES if file_format == "W64" else _BYTES).search(log)
    if found and 0 < int(found[2]) < int(found[1]) < _UNKNOWN_LENGTH:
        return frames * int(found[1]) // int(found[2])
    return frames


def announced_duration_s(container: Any, stream: Any, head: Callable[[], bytes], size: int) -> float | None:
    """Return the seconds that the header of a container that FFmpeg reads announces for one of its audio streams; None where it does not.

    FFmpeg estimates what a header does not say, from the size of the file: such a duration is not returned.

    Args:
        container: an open container of PyAV.
        stream: the audio stream of it.
        head: gives the first bytes of the file, for formats whose duration FFmpeg takes from the size.
        size: bytes of the file.
    """
    name = container.format.name
    if name.startswith(("mov", "aiff")) and stream.duration:
        return float(stream.duration * stream.time_base)
    if name.startswith("matroska"):
        if (tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))) is not None:
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
        alone = len(container.streams) == 1 and stream.duration is None  # a stream has one where it was estimated
        return container.duration / 1e6 if alone and container.duration else None
    if name == "caf" and stream.duration and (chunk := _caf_data(head())) is not None:
        start, length = chunk
        return float(stream.duration * stream.time_base) * max(1.0, length / max(1, size - start))
    return None


def _caf_data(head: bytes) -> tuple[int, int] | None:
    """Return where the data of a CAF file start and how many bytes of them it announces; None where it leaves that open (-1).

    Source: Apple Core Audio Format Specification 1.0: after 8 bytes, chunks of a type, an int64 of bytes, and content.
    """
    position = 8
    while position + 12 <= len(head):
        kind, length = head[position : position + 4], int.from_bytes(head[position + 4 : position + 12], "big", signed=True)
        if kind == b"data":
            return (position + 12, length) if length > 0 else None
        if length < 0:
            return None
        position += 12 + length
    return None
