"""Speech codecs packet by packet: encoders and decoders of libsndfile (soundfile) and FFmpeg (PyAV) behind one small interface.

| codec | what does the work | packet of 20 ms | lag, samples |
| --- | --- | --- | --- |
| G.711 µ-law, A-law | libsndfile | 160 bytes | 0 |
| GSM 06.10 full rate | libsndfile | 33 bytes | 0 |
| G.726 at 16, 32 kbit/s | FFmpeg | 40, 80 bytes | 0 |
| AMR-NB, eight rates, four named here | FFmpeg with opencore-amr | 13-32 bytes | 40 |
| G.722 at 64 kbit/s (16 kHz) | FFmpeg | 160 bytes | 22 |
| Opus, application voip, variable rate (16 kHz in, 48 kHz out) | FFmpeg with libopus | varies | 312 of 48 kHz |

The lag is what encoder and decoder look ahead, and is cut off again. A decoder is a state machine that is fed only what arrived: after a
loss it continues from the state the last good packet left, as in a real receiver. All of it is integer or single-threaded arithmetic and
gives the same bits every time on one machine and one version of the libraries.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from askd_bench.perturbations.packet_loss import PACKET_S

if TYPE_CHECKING:
    import av

Pcm = NDArray[np.int16]
CodecName = Literal[
    "g711-mulaw", "g711-alaw", "gsm-fr", "g726-32", "g726-16",
    "amr-nb-12.2", "amr-nb-7.95", "amr-nb-5.9", "amr-nb-4.75",
    "g722", "opus-24", "opus-12", "opus-6",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec at one bit rate.

    Attributes:
        sampling_rate: Hz, of the samples it is given.
        decoded_rate: Hz, of the samples it gives back.
        lag: samples at `decoded_rate` by which the output is late.
        encode: int16 samples, a whole number of 20 ms frames -> as many packets.
        decode: the packets that arrived -> 20 ms of int16 samples each.
        lost_packet: the last packet that arrived -> a packet that makes the decoder conceal a loss itself; None where it cannot.
    """

    sampling_rate: int
    decoded_rate: int
    lag: int
    encode: Callable[[Pcm], list[bytes]]
    decode: Callable[[Sequence[bytes]], Pcm]
    lost_packet: Callable[[bytes], bytes] | None = None

    @property
    def frame_length(self) -> int:
        """Samples of a packet at `sampling_rate`."""
        return round(PACKET_S * self.sampling_rate)


@dataclass(frozen=True, slots=True)
class _Sndfile:
    """A codec of libsndfile, headerless. Its file is a plain row of packets."""

    subtype: str
    packet_bytes: int

    def encode(self, pcm: Pcm) -> list[bytes]:
        import soundfile

        stream = io.BytesIO()
        soundfile.write(stream, pcm, 8000, format="RAW", subtype=self.subtype)
        return _split(stream.getvalue(), self.packet_bytes)

    def decode(self, packets: Sequence[bytes]) -> Pcm:
        import soundfile

        if not packets:
            return np.zeros(0, dtype=np.int16)
        stream = io.BytesIO(b"".join(packets))
        samples, _ = soundfile.read(stream, dtype="int16", samplerate=8000, channels=1, format="RAW", subtype=self.subtype)
        return np.asarray(samples, dtype=np.int16)


@dataclass(frozen=True, slots=True)
class _Ffmpeg:
    """A codec of FFmpeg. `packet_bytes` cuts a continuous bit stream into packets of 20 ms; 0 keeps the encoder's packets."""

    name: str
    sampling_rate: int
    bit_rate: int
    packet_bytes: int = 0
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    decoder_options: Mapping[str, str] = field(default_factory=dict)
    decoded_rate: int = 0

    def _context(self, mode: Literal["r", "w"], sampling_rate: int, options: Mapping[str, str]) -> "av.AudioCodecContext":
        import av

        context = av.CodecContext.create(self.name, mode)
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate = sampling_rate
        context.layout = "mono"
        context.thread_count = 1
        context.options = dict(options)
        return context

    def encode(self, pcm: Pcm) -> list[bytes]:
        import av

        context = self._context("w", self.sampling_rate, self.encoder_options)
        context.format = "s16"
        context.bit_rate = self.bit_rate
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = self.sampling_rate
        packets = [bytes(packet) for part in (frame, None) for packet in context.encode(part)]
        if self.packet_bytes:
            packets = _split(b"".join(packets), self.packet_bytes)
        return packets[: pcm.size // round(PACKET_S * self.sampling_rate)]  # flushing an encoder adds one for its look-ahead

    def decode(self, packets: Sequence[bytes]) -> Pcm:
        import av

        context = self._context("r", self.decoded_rate or self.sampling_rate, self.decoder_options)
        frames = [frame.to_ndarray().reshape(-1) for packet in packets for frame in context.decode(av.Packet(packet))]
        return np.concatenate(frames) if frames else np.zeros(0, dtype=np.int16)


def _split(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def _sndfile(subtype: str, packet_bytes: int) -> Codec:
    worker = _Sndfile(subtype, packet_bytes)
    return Codec(8000, 8000, 0, worker.encode, worker.decode)


def _g726(bits: int) -> Codec:
    options = {"bits_per_coded_sample": str(bits)}
    worker = _Ffmpeg("g726", 8000, 8000 * bits, packet_bytes=20 * bits, decoder_options=options)
    return Codec(8000, 8000, 0, worker.encode, worker.decode)


def _amr_no_data(_: bytes) -> bytes:
    """Return a frame of type 15, NO_DATA: the decoder conceals it after 3GPP TS 26.091."""
    return bytes([15 << 3 | 4])


def _amr(bit_rate: int) -> Codec:
    worker = _Ffmpeg("libopencore_amrnb", 8000, bit_rate)
    return Codec(8000, 8000, 40, worker.encode, worker.decode, lost_packet=_amr_no_data)


def _opus_empty(last: bytes) -> bytes:
    """Return a packet of one empty frame: RFC 6716 section 3.2.1 lets a frame of length 0 stand for a lost one, and libopus conceals it."""
    return bytes([last[0] & 0b11111100])


def _opus(bit_rate: int) -> Codec:
    worker = _Ffmpeg("libopus", 16000, bit_rate, encoder_options={"application": "voip", "frame_duration": "20"}, decoded_rate=48000)
    return Codec(16000, 48000, 312, worker.encode, worker.decode, lost_packet=_opus_empty)


def _g722() -> Codec:
    worker = _Ffmpeg("g722", 16000, 64000, packet_bytes=160)
    return Codec(16000, 16000, 22, worker.encode, worker.decode)


CODECS: Mapping[CodecName, Codec] = {
    "g711-mulaw": _sndfile("ULAW", 160),
    "g711-alaw": _sndfile("ALAW", 160),
    "gsm-fr": _sndfile("GSM610", 33),
    "g726-32": _g726(4),
    "g726-16": _g726(2),
    "amr-nb-12.2": _amr(12200),
    "amr-nb-7.95": _amr(7950),
    "amr-nb-5.9": _amr(5900),
    "amr-nb-4.75": _amr(4750),
    "g722": _g722(),
    "opus-24": _opus(24000),
    "opus-12": _opus(12000),
    "opus-6": _opus(6000),
}
