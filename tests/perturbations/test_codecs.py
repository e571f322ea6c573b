"""Every codec against an independent round trip: the whole clip through the library's own file format, no packets of ours."""

import io

import av
import numpy as np
import pytest
import soundfile
import soxr

from askd_bench.audio import read_audio
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.codecs import CODECS, Codec
from askd_bench.perturbations.packet_loss import to_int16
from askd_bench.types import SAMPLING_RATE

NAMES = list(CODECS)
FILES = sorted((CORPORA_DIR / "books" / "audio").iterdir())


def speech(codec: Codec, seconds: float = 4.0) -> np.ndarray:
    samples = read_audio(FILES[0])[: int(seconds * SAMPLING_RATE)]
    return to_int16(soxr.resample(samples, SAMPLING_RATE, codec.sampling_rate))


def muxed(pcm: np.ndarray, rate: int, container: str, codec: str, bit_rate: int, **options: str) -> io.BytesIO:
    """Encode the whole clip into a file with PyAV."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate, options=options)
        track.layout, track.format, track.bit_rate = "mono", "s16", bit_rate
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        for part in (frame, None):
            output.mux(track.encode(part))
    stream.seek(0)
    return stream


def demuxed(stream: io.BytesIO, container: str, **options: str) -> np.ndarray:
    """Decode a whole file with PyAV to 16 bits."""
    with av.open(stream, format=container, options=options) as source:
        samples = np.concatenate([frame.to_ndarray() for frame in source.decode(audio=0)], axis=1)[0]
    return samples if samples.dtype == np.int16 else np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)


def through_soundfile(pcm: np.ndarray, subtype: str) -> np.ndarray:
    stream = io.BytesIO()
    soundfile.write(stream, pcm, 8000, format="WAV", subtype=subtype)
    stream.seek(0)
    return soundfile.read(stream, dtype="int16")[0]


def independent(name: str, pcm: np.ndarray) -> np.ndarray:
    if name.startswith("g711"):
        return through_soundfile(pcm, "ULAW" if name == "g711-mulaw" else "ALAW")
    if name == "gsm-fr":
        return through_soundfile(pcm, "GSM610")  # Microsoft's framing of 65 bytes for 40 ms, not ours of 33 for 20
    if name.startswith("g726"):
        bits = {"g726-16": 2, "g726-32": 4}[name]
        return demuxed(muxed(pcm, 8000, "g726", "g726", bits * 8000), "g726", code_size=str(bits), sample_rate="8000")
    if name.startswith("amr"):
        return demuxed(muxed(pcm, 8000, "amr", "libopencore_amrnb", amr_rate(name)), "amr")
    if name == "g722":
        return demuxed(muxed(pcm, 16000, "g722", "g722", 64000), "g722")
    bit_rate = int(name.removeprefix("opus-")) * 1000
    return demuxed(muxed(pcm, 16000, "ogg", "libopus", bit_rate, application="voip", frame_duration="20"), "ogg")


def amr_rate(name: str) -> int:
    return round(float(name.removeprefix("amr-nb-")) * 1000)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("opus", "amr"))])
def test_round_trip_equals_the_librarys_own(name: str) -> None:
    codec = CODECS[name]
    pcm = speech(codec)
    ours, theirs = codec.decode(codec.encode(pcm)), independent(name, pcm)
    assert ours.size == pcm.size
    assert np.array_equal(ours, theirs[: ours.size])


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("amr")])
def test_amr_equals_the_file_and_comes_close_to_another_decoder(name: str) -> None:
    """PyAV reads .amr with FFmpeg's own floating-point decoder, another implementation of the standard than opencore's."""
    codec = CODECS[name]
    pcm = speech(codec)
    packets = codec.encode(pcm)
    ours, theirs = codec.decode(packets), independent(name, pcm)
    error = ours.astype(float) - theirs[: ours.size]
    assert 10 * np.log10(np.mean(np.square(ours, dtype=float)) / np.mean(error**2)) > 15  # both follow the same bits
    stream = muxed(pcm, 8000, "amr", "libopencore_amrnb", amr_rate(name))
    assert stream.getvalue()[len(b"#!AMR\n") :].startswith(b"".join(packets))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("opus")])
def test_opus_equals_the_ogg_file_and_comes_close_to_another_decoder(name: str) -> None:
    """The packets are those of an .opus file. FFmpeg's own decoder reads it: other resamplers, two samples of 48 kHz off in delay."""
    codec = CODECS[name]
    pcm = speech(codec)
    packets = codec.encode(pcm)
    stream = muxed(pcm, 16000, "ogg", "libopus", int(name.removeprefix("opus-")) * 1000, application="voip", frame_duration="20")
    with av.open(stream) as source:
        assert [bytes(packet) for packet in source.demux(audio=0)][: len(packets)] == packets
    ours, theirs = codec.decode(packets)[codec.lag :].astype(float), independent(name, pcm).astype(float)
    length = ours.size - 10
    ratios = [np.mean(ours[10:length] ** 2) / np.mean((ours[10:length] - theirs[10 + k : length + k]) ** 2) for k in range(-3, 4)]
    assert 10 * np.log10(max(ratios)) > 12


def test_gsm_equals_another_decoder_bit_for_bit() -> None:
    codec = CODECS["gsm-fr"]
    packets = codec.encode(speech(codec))
    context = av.CodecContext.create("gsm", "r")
    context.sample_rate, context.layout = 8000, "mono"
    theirs = np.concatenate([frame.to_ndarray()[0] for packet in packets for frame in context.decode(av.Packet(packet))])
    assert np.array_equal(codec.decode(packets), theirs)


@pytest.mark.parametrize(("name", "law"), [("g711-mulaw", "mu"), ("g711-alaw", "a")])
def test_g711_is_right_for_every_input(name: str, law: str) -> None:
    """All 65,536 inputs: the output is one of the law's 256 values, and no further off than half a step of its segment."""
    every = np.arange(-32768, 32768).astype(np.int16)
    codec = CODECS[name]
    out = codec.decode(codec.encode(every)).astype(int)
    segment, mantissa = np.divmod(np.arange(128), 16)
    if law == "mu":
        magnitudes, steps = (((mantissa << 3) + 132) << segment) - 132, 8 << segment
    else:
        magnitudes = np.where(segment == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(segment - 1, 0))
        steps = 16 << np.maximum(segment - 1, 0)
    assert set(np.abs(out)) == set(magnitudes)
    step = dict(zip(magnitudes.tolist(), steps.tolist(), strict=True))
    errors = np.abs(out - every)
    inside = np.abs(every.astype(int)) <= magnitudes.max()
    assert all(error <= step[abs(value)] / 2 for error, value in zip(errors[inside].tolist(), out[inside].tolist(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_packets_are_20_ms_each_and_bit_identical_over_repeats(name: str) -> None:
    codec = CODECS[name]
    pcm = speech(codec, 1.0)
    packets = codec.encode(pcm)
    assert len(packets) == pcm.size / codec.frame_length == 50
    decoded = codec.decode(packets)
    assert decoded.size == 50 * codec.decoded_rate // 50
    assert codec.encode(pcm) == packets
    assert np.array_equal(codec.decode(packets), decoded)


@pytest.mark.parametrize(
    ("name", "bits_per_second"),
    [
        *[("g711-mulaw", 64000), ("g711-alaw", 64000), ("gsm-fr", 13200), ("g726-32", 32000), ("g726-16", 16000), ("g722", 64000)],
        *[("amr-nb-12.2", 12200), ("amr-nb-7.95", 7950), ("amr-nb-5.9", 5900), ("amr-nb-4.75", 4750)],
        *[("opus-24", 24000), ("opus-12", 12000), ("opus-6", 6000)],
    ],
)
def test_bit_rate_is_the_named_one(name: str, bits_per_second: int) -> None:
    codec = CODECS[name]
    packets = codec.encode(speech(codec))
    measured = 8 * sum(map(len, packets)) / (len(packets) * 0.02)
    overhead = 8 / 0.02 + 7 / 0.02 if name.startswith("amr") else 0  # a header byte a frame, and filling up to whole bytes
    tolerance = 0.1 * bits_per_second if name.startswith("opus") else 0  # a variable rate
    assert bits_per_second - tolerance <= measured <= bits_per_second + tolerance + overhead


@pytest.mark.parametrize("name", NAMES)
def test_no_packets_decode_to_nothing(name: str) -> None:
    assert CODECS[name].decode([]).size == 0


@pytest.mark.parametrize("name", NAMES)
def test_silence_and_full_scale_noise_survive(name: str) -> None:
    codec = CODECS[name]
    silence = codec.decode(codec.encode(np.zeros(codec.frame_length * 10, dtype=np.int16)))
    assert np.abs(silence.astype(int)).max() <= 16
    loud = np.random.default_rng(0).integers(-32768, 32768, codec.frame_length * 10).astype(np.int16)
    assert codec.decode(codec.encode(loud)).size == 10 * codec.decoded_rate // 50
