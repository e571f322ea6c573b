"""Reads any recording as mono float32 at 16 kHz: soundfile first, PyAV for what it does not know, soxr to resample; hashes samples.

Everything streams in blocks, so that a long stereo recording never stands in memory whole at its own rate. The result depends on the
bytes alone: the same file gives the same samples, bit for bit.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from askd_bench.audio_headers import announced_duration_s, announced_frames
from askd_bench.errors import AudioError
from askd_bench.types import SAMPLING_RATE, Samples, Utterance

MAX_DURATION_S = 1800.0
"""Seconds. A longer recording is refused, from its header where that tells: it is a session to be segmented, not an utterance."""

MAX_MISSING_S = 0.1
"""Seconds a recording may fall short of its header (encoder padding) before it counts as truncated."""

_BLOCK_SAMPLES = 1 << 17
_MAX_FRAMES = 1 << 62
_HEAD_BYTES = 1 << 16
_AV_FORMATS = "aac,ac3,aiff,amr,asf,au,caf,flac,matroska,mov,mp3,ogg,wav"  # containers of sound only: no playlists, which name other files
_G722_BYTES_PER_S = 8000


@dataclass(frozen=True, slots=True)
class _Stream:
    """Decoded audio to come: `duration_s` is what the header says, `blocks` are mono float32 at `sampling_rate`.

    `skip(frames)` leaves out that many at the beginning, where the decoder can; None where it cannot.
    """

    sampling_rate: int
    duration_s: float | None
    blocks: Iterator[Samples]
    skip: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a recording, in seconds."""

    offset_s: float
    duration_s: float


def read_utterance(utterance: Utterance) -> Samples:
    """Return the audio of an utterance, or of its part of a recording; see `read_audio`."""
    segment = None
    if utterance.offset_s is not None and utterance.duration_s is not None:
        segment = Segment(utterance.offset_s, utterance.duration_s)
    return read_audio(utterance.audio, name_hint=utterance.id, segment=segment, channels=utterance.channels)


def read_audio(source: Path | bytes, *, name_hint: str = "", segment: Segment | None = None, channels: tuple[int, ...] = ()) -> Samples:
    """Decode a recording, mix its channels to mono (their mean), and resample it to 16 kHz (soxr, very high quality).

    Reads what soundfile reads (WAV of any depth, FLAC, Ogg, MP3, AIFF...), else what PyAV reads (M4A, WebM...). Headerless G.722 is known
    by the suffix `.g722`. Where the peak exceeds 1 (float files, MP3 and resampling overshoot) the whole recording is scaled down to it,
    never clipped. Silence is audio.

    Args:
        source: a file, or the encoded bytes of one.
        name_hint: what to call `source` in errors; its suffix counts as the file's.
        segment: which part to read; None for all of it.
        channels: which channels to mix, counted from 0; empty for all.

    Returns:
        float32, shape (num_samples,), in [-1, 1], at 16 kHz, never empty.

    Raises:
        AudioError: the file is missing, empty, unreadable, truncated by more than `MAX_MISSING_S`, longer than `MAX_DURATION_S`, or holds
            NaN or infinite samples, it ends before the segment does, or it lacks a channel. One line that names it.

    Example:
        >>> buffer = io.BytesIO()
        >>> soundfile.write(buffer, np.full((44_100, 2), 0.25), 44_100, format="WAV")
        >>> samples = read_audio(buffer.getvalue())
        >>> samples.shape, samples.dtype, float(samples[8000].round(3))
        ((16000,), dtype('float32'), 0.25)
    """
    name = _name(source, name_hint)
    with _opened(source, name, channels) as stream:
        if segment is not None:
            _check_duration(segment.duration_s, name)
            stream = _cut(stream, segment, name)
        elif stream.duration_s is not None:
            _check_duration(stream.duration_s, name)
        samples = _resampled(stream, name)
    if not samples.size:
        raise AudioError(f"{name}: has no samples")
    peak = float(np.max(np.abs(samples)))
    return np.clip(samples / np.float32(peak), -1, 1) if peak > 1 else samples


def audio_duration_s(source: Path | bytes, *, name_hint: str = "") -> float | None:
    """Return the duration in seconds by the header, without decoding; None where it does not say or cannot be read."""
    try:
        with _opened(source, _name(source, name_hint)) as stream:
            return stream.duration_s
    except AudioError:
        return None


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """Quantise samples to little-endian int16; beyond full scale they are clipped. Samples that were quantised before come back exactly.

    >>> to_int16(np.array([-1.0, 0.25, 1.0], np.float32)).tolist()
    [-32768, 8192, 32767]
    """
    return np.clip(np.round(samples * 32_768), -32_768, 32_767).astype("<i2")


def audio_sha256(quantised: NDArray[np.int16]) -> str:
    """Return the digest that a row carries as `audio_sha256`, of what `to_int16` returns."""
    return hashlib.sha256(quantised.tobytes()).hexdigest()


def _name(source: Path | bytes, name_hint: str) -> str:
    return name_hint or (str(source) if isinstance(source, Path) else "audio bytes")


def _check_duration(duration_s: float, name: str) -> None:
    if duration_s > MAX_DURATION_S:
        raise AudioError(f"{name}: lasts {duration_s / 60:.1f} min or more, longer than the {MAX_DURATION_S / 60:.0f} min allowed")


@contextmanager
def _opened(source: Path | bytes, name: str, channels: tuple[int, ...] = ()) -> Iterator[_Stream]:
    """Yield the decoder of `source`; whatever a library raises inside comes out as one line of `AudioError`.

    With damaged headers libsndfile, FFmpeg, PyAV and soxr meet rates of 0, streams without a codec and tags that are no text, and raise
    what they like. Only a lack of memory is not the recording's fault.
    """
    try:
        size = _size(source)
        if isinstance(source, Path) and not source.is_file():
            raise AudioError(f"{name}: is not a file")
        if size == 0:
            raise AudioError(f"{name}: is empty (0 bytes)")
        suffixes = {Path(name).suffix.lower(), source.suffix.lower() if isinstance(source, Path) else ""}
        if ".g722" in suffixes:
            with _av_stream(source, name, channels, headerless="g722") as stream:
                yield _Stream(stream.sampling_rate, size / _G722_BYTES_PER_S, stream.blocks)
            return
        file = _soundfile_or_none(source)
        if file is None:
            with _av_stream(source, name, channels) as stream:
                yield stream
        else:
            with file:
                yield _soundfile_stream(file, _head(source), name, channels)
    except (AudioError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise AudioError(f"{name}: does not exist") from error
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name}: is corrupt: {' '.join(error.error_string.split())}") from error
    except av.error.FFmpegError as error:
        raise AudioError(f"{name}: cannot be decoded: {error.strerror}") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise AudioError(f"{name}: cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}") from error


def _soundfile_or_none(source: Path | bytes) -> soundfile.SoundFile | None:
    try:
        file = soundfile.SoundFile(source if isinstance(source, Path) else io.BytesIO(source))
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a suffix that soundfile takes for headerless audio
        return None
    if file.frames < _MAX_FRAMES:
        return file
    file.close()  # a FLAC that was piped: no length in its header, and libsndfile cannot read on
    return None


def _size(source: Path | bytes) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


def _head(source: Path | bytes) -> bytes:
    """Return the first bytes of a file."""
    if not isinstance(source, Path):
        return source[:_HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _rate(rate: int | None, name: str) -> int:
    if not rate:
        raise AudioError(f"{name}: has a sampling rate of 0 Hz by its header")
    return rate


def _check_whole(heard_s: float, announced_s: float, name: str, *, missing_s: float = MAX_MISSING_S) -> None:
    if announced_s - heard_s > missing_s:
        raise AudioError(f"{name}: is truncated: {heard_s:.2f} s of the {announced_s:.2f} s its header announces")


def _chosen(block: NDArray[Any], channels: tuple[int, ...], name: str, *, axis: int) -> NDArray[Any]:
    """Return a block's channels that are asked for; `axis` is theirs."""
    if not channels:
        return block
    count = block.shape[axis]
    if max(channels) >= count:
        raise AudioError(f"{name}: has {count} channel{'s' if count > 1 else ''}, none of number {max(channels)} (counted from 0)")
    return block.take(channels, axis=axis)


def _soundfile_stream(file: soundfile.SoundFile, head: bytes, name: str, channels: tuple[int, ...]) -> _Stream:
    rate = _rate(file.samplerate, name)
    frames = announced_frames(file.frames, file.format, file.extra_info, head)

    skipped = 0

    def skip(count: int) -> None:
        nonlocal skipped
        skipped = file.seek(min(count, file.frames))

    def blocks() -> Iterator[Samples]:
        count = skipped
        size = max(1, _BLOCK_SAMPLES // file.channels)
        while (block := file.read(size, dtype="float32", always_2d=True)).size:
            count += len(block)
            block = _chosen(block, channels, name, axis=1)
            yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        _check_whole(count / rate, frames / rate, name)

    return _Stream(rate, frames / rate, blocks(), skip if file.seekable() else None)


@contextmanager
def _av_stream(source: Path | bytes, name: str, channels: tuple[int, ...], headerless: str | None = None) -> Iterator[_Stream]:
    # PyAV gets an open file, never a name: FFmpeg reads some names as network addresses.
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        options = {"format_whitelist": headerless or _AV_FORMATS}
        with av.open(file, "r", format=headerless, options=options, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: has no audio stream")
            audio = container.streams.audio[0]
            if audio.codec_context is None:
                raise AudioError(f"{name}: has audio in a coding that cannot be decoded")
            rate = _rate(audio.rate, name)
            duration_s = container.duration / av.time_base if container.duration else None
            announced_s = announced_duration_s(container, audio, lambda: _head(source), _size(source))

            def blocks() -> Iterator[Samples]:
                to_float = av.AudioResampler(format="fltp")
                end_s, longest_s = 0.0, 0.0
                for frame in container.decode(audio):
                    longest_s = max(longest_s, frame.samples / rate)
                    end_s = (end_s if frame.time is None else frame.time) + frame.samples / rate
                    for converted in to_float.resample(frame):
                        yield _chosen(converted.to_ndarray(), channels, name, axis=0).mean(axis=0, dtype=np.float32)
                if announced_s is not None:  # a codec may keep back frames at either end
                    _check_whole(end_s, announced_s, name, missing_s=MAX_MISSING_S + 2 * longest_s)

            yield _Stream(rate, duration_s, blocks())


def _cut(stream: _Stream, segment: Segment, name: str) -> _Stream:
    """Return the part of a stream; what comes after it is not decoded."""
    rate = stream.sampling_rate
    start, wanted = round(segment.offset_s * rate), round(segment.duration_s * rate)
    if stream.skip is not None:
        stream.skip(start)

    def blocks() -> Iterator[Samples]:
        position = start if stream.skip is not None else 0
        left = wanted
        while left > 0 and (block := next(stream.blocks, None)) is not None:
            part = block[max(0, start - position) :][:left]
            position += len(block)
            left -= len(part)
            if len(part):
                yield part
        if left > MAX_MISSING_S * rate:
            end_s = segment.offset_s + segment.duration_s
            raise AudioError(
                f"{name}: ends at {end_s - left / rate:.2f} s at the latest, before its part from {segment.offset_s:g} to {end_s:g} s"
            )

    return _Stream(rate, segment.duration_s, blocks())


def _resampled(stream: _Stream, name: str) -> Samples:
    resampler = soxr.ResampleStream(stream.sampling_rate, SAMPLING_RATE, 1, dtype="float32", quality="VHQ")
    same_rate = stream.sampling_rate == SAMPLING_RATE
    parts: list[Samples] = []
    count = 0
    for block in stream.blocks:
        if not np.isfinite(block).all():
            raise AudioError(f"{name}: holds samples that are not finite (NaN or infinite)")
        count += len(block)
        _check_duration(count / stream.sampling_rate, name)
        parts.append(block if same_rate else resampler.resample_chunk(block))
    if not same_rate:
        parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
