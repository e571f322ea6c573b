"""Reading audio: every format and fault met in the field, against the encoders' input, FFmpeg, scipy and closed forms."""

import contextlib
import io
import tracemalloc
import warnings
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from askd_bench.audio import MAX_DURATION_S, audio_duration_s, read_audio
from askd_bench.errors import AudioError
from askd_bench.paths import CORPORA_DIR

RATE = 16_000


def tone(hertz: float, rate: int, seconds: float = 1.0, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def encode(samples: np.ndarray, rate: int, file_format: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=file_format, subtype=subtype)
    return buffer.getvalue()


def encode_with_av(samples: np.ndarray, rate: int, codec: str, container: str, **tags: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        out.metadata.update(tags)
        stream = out.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for converted in av.AudioResampler(format=stream.format, layout="mono", rate=rate).resample(frame):
            out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def speech(corpus: str, suffix: str) -> Path:
    return sorted((CORPORA_DIR / corpus).rglob(f"*{suffix}"))[0]


def level_db(samples: np.ndarray, reference: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) / np.mean(np.square(reference, dtype=np.float64)))


@pytest.mark.parametrize(
    ("file_format", "subtype", "step"),
    [
        ("WAV", "PCM_U8", 1 / 128),
        ("WAV", "PCM_16", 1 / 32768),
        ("WAV", "PCM_24", 1 / 2**23),
        ("WAV", "PCM_32", 1 / 2**24),
        ("WAV", "FLOAT", 1 / 2**24),
        ("FLAC", "PCM_16", 1 / 32768),
        ("AIFF", "PCM_16", 1 / 32768),
    ],
)
def test_lossless_formats_give_back_the_samples(file_format: str, subtype: str, step: float) -> None:
    original = tone(440, RATE)
    decoded = read_audio(encode(original, RATE, file_format, subtype))
    assert decoded.dtype == np.float32
    assert decoded.shape == original.shape
    assert np.max(np.abs(decoded - original)) <= 1.01 * step


@pytest.mark.parametrize(("file_format", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)])
def test_lossy_formats_come_close(file_format: str, subtype: str | None) -> None:
    original = tone(440, 48_000, seconds=2)
    decoded = read_audio(encode(original, 48_000, file_format, subtype))
    assert abs(len(decoded) - 2 * RATE) < 0.05 * RATE
    spectrum = np.abs(np.fft.rfft(decoded[4000:20_000]))
    assert np.argmax(spectrum) == 440
    assert abs(level_db(decoded[4000:20_000], tone(440, RATE))) < 0.5


@pytest.mark.parametrize(("codec", "container"), [("aac", "ipod"), ("aac", "adts"), ("libopus", "webm")])
def test_what_soundfile_does_not_know_goes_through_pyav(codec: str, container: str) -> None:
    rate = 48_000
    content = encode_with_av(tone(440, rate, seconds=2), rate, codec, container)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.SoundFile(io.BytesIO(content))
    decoded = read_audio(content)
    assert abs(len(decoded) - 2 * RATE) < 0.2 * RATE
    assert np.argmax(np.abs(np.fft.rfft(decoded[4000:20_000]))) == 440
    duration_s = audio_duration_s(content)
    assert duration_s is not None
    assert abs(duration_s - 2) < 0.2


def test_raw_g722_is_known_by_its_suffix(tmp_path: Path) -> None:
    content = encode_with_av(tone(1000, RATE, seconds=2), RATE, "g722", "g722")
    file = tmp_path / "prompt.g722"
    file.write_bytes(content)
    with av.open(io.BytesIO(content), format="g722") as container:
        oracle = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]) / 32768
    decoded = read_audio(file)
    np.testing.assert_array_equal(decoded, oracle.astype(np.float32))
    np.testing.assert_array_equal(decoded, read_audio(content, name_hint="prompt.g722"))
    assert audio_duration_s(file) == 2.0


@pytest.mark.parametrize(("corpus", "suffix"), [("dialogue", ".mp3"), ("accents", ".flac"), ("prompts", ".g722"), ("books", ".wav")])
def test_bundled_speech_reads_the_same_from_file_and_bytes(corpus: str, suffix: str) -> None:
    file = speech(corpus, suffix)
    samples = read_audio(file)
    assert 0.05 < np.max(np.abs(samples)) <= 1
    duration_s = audio_duration_s(file)
    assert duration_s is not None
    assert abs(len(samples) / RATE - duration_s) < 0.1
    assert read_audio(file.read_bytes(), name_hint=file.name).tobytes() == samples.tobytes()


def test_channels_are_averaged() -> None:
    left, right = tone(440, RATE), tone(1000, RATE)
    decoded = read_audio(encode(np.stack([left, right], axis=1), RATE, subtype="FLOAT"))
    np.testing.assert_allclose(decoded, (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_a_tone_in_level_and_phase(rate: int) -> None:
    decoded = read_audio(encode(tone(1000, rate, seconds=2), rate, subtype="FLOAT"))
    expected = tone(1000, RATE, seconds=2)
    middle = slice(4000, -4000)
    assert level_db(decoded[middle] - expected[middle], expected) < -100


@pytest.mark.parametrize("hertz", [8500, 10_000, 15_000, 20_000])
def test_resampling_lets_nothing_fold_back(hertz: float) -> None:
    decoded = read_audio(encode(tone(hertz, 44_100, seconds=2), 44_100, subtype="FLOAT"))
    assert level_db(decoded[4000:-4000], tone(1000, RATE)) < -100


def test_resampled_speech_agrees_with_scipy() -> None:
    file = speech("accents", ".flac")
    original, rate = soundfile.read(file)
    assert rate == 11_025
    original /= 2  # so that no overshoot is scaled down
    # A long Kaiser filter: scipy's default is not steep enough to judge by. The two differ in how they end the band, so compare below that.
    taps = scipy.signal.firwin(2 * 640 * 64 + 1, 1 / 640 * 0.97, window=("kaiser", 12.0))
    oracle = scipy.signal.resample_poly(original, 640, 441, window=taps)
    decoded = read_audio(encode(original, rate, subtype="FLOAT"))
    length = min(len(decoded), len(oracle))
    in_band = scipy.signal.butter(8, 4500, fs=RATE, output="sos")
    difference = scipy.signal.sosfiltfilt(in_band, decoded[:length] - oracle[:length])
    assert level_db(difference, oracle) < -60


@settings(max_examples=40)
@given(count=st.integers(20, 200_000), rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]))
def test_duration_is_kept_to_the_sample(count: int, rate: int) -> None:
    decoded = read_audio(encode(np.zeros(count), rate, subtype="PCM_16"))
    assert abs(len(decoded) - count * RATE / rate) <= 1


def test_a_peak_above_one_is_scaled_down_not_clipped() -> None:
    decoded = read_audio(encode(tone(440, RATE, peak=2.0), RATE, subtype="FLOAT"))
    assert np.max(np.abs(decoded)) == 1
    np.testing.assert_allclose(decoded, tone(440, RATE, peak=1.0) / np.max(np.abs(tone(440, RATE, peak=1.0))), atol=1e-6)


def test_silence_is_audio() -> None:
    assert not read_audio(encode(np.zeros(1600), RATE)).any()


def header_of_an_hour() -> bytes:
    """One second of audio under a header that announces 60 minutes: only the header can tell."""
    content = bytearray(encode(np.zeros(8000), 8000, subtype="PCM_U8"))
    content[40:44] = (3600 * 8000).to_bytes(4, "little")
    content[4:8] = (3600 * 8000 + 36).to_bytes(4, "little")
    return bytes(content)


def flac_of_unknown_length(seconds: float) -> bytes:
    """A FLAC whose header gives no number of samples, as encoders write to a pipe."""
    content = bytearray(encode(np.zeros(round(seconds * 8000)), 8000, "FLAC"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


SECOND = encode(tone(440, RATE), RATE)
FAULTS = {
    "empty": (b"", "is empty"),
    "no samples": (encode(np.zeros(0), RATE), "has no samples"),
    "too short to resample": (encode(np.zeros(1), 44_100), "has no samples"),
    "NaN": (encode(np.where(np.arange(RATE) == 500, np.nan, 0.1), RATE, subtype="FLOAT"), "not finite"),
    "infinite": (encode(np.where(np.arange(RATE) == 500, np.inf, 0.1), RATE, subtype="DOUBLE"), "not finite"),
    "NaN at 44.1 kHz": (encode(np.where(np.arange(RATE) == 500, np.nan, 0.1), 44_100, subtype="FLOAT"), "not finite"),
    "truncated WAV": (SECOND[:16_000], "truncated: 0.50 s of the 1.00 s"),
    "truncated FLAC": (encode(tone(440, RATE, 5), RATE, "FLAC")[:8000], "corrupt"),
    "truncated MP3": (encode(tone(440, RATE, 5), RATE, "MP3")[:5000], "truncated"),
    "truncated M4A": (encode_with_av(tone(440, RATE, 5), RATE, "aac", "ipod")[:10_000], "cannot be decoded"),
    "unknown coding": (SECOND[:20] + b"\xff\xee" + SECOND[22:], "cannot be decoded"),
    "noise bytes": (np.random.default_rng(0).bytes(20_000), "cannot be decoded"),
    "text": (b"this is not audio\n" * 100, "cannot be decoded"),
    "playlist": (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", "cannot be decoded"),
    "an hour by its header": (header_of_an_hour(), "60.0 min"),
    "over the limit, header silent": (flac_of_unknown_length(MAX_DURATION_S + 60), "longer than the 30 min allowed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unusable_audio_is_one_line_that_names_the_file(fault: str, tmp_path: Path) -> None:
    content, complaint = FAULTS[fault]
    file = tmp_path / "clip.wav"
    file.write_bytes(content)
    for source, hint in ((file, ""), (content, "clip.wav")):
        with pytest.raises(AudioError, match=complaint) as error:
            read_audio(source, name_hint=hint)
        assert "clip.wav" in str(error.value)
        assert "\n" not in str(error.value)


ANNOUNCING = [
    *(("AIFF", "PCM_16"), ("AIFF", "ULAW"), ("AU", "PCM_16"), ("AU", "ULAW"), ("AVR", "PCM_16"), ("CAF", "PCM_16"), ("CAF", "ULAW")),
    *(("MAT4", "PCM_16"), ("MPC2K", "PCM_16"), ("NIST", "PCM_16"), ("NIST", "ULAW"), ("RF64", "PCM_16"), ("SVX", "PCM_16")),
    *(("W64", "PCM_16"), ("WAV", "PCM_16"), ("WAV", "ULAW"), ("WAVEX", "PCM_16")),
]


@pytest.mark.parametrize(("file_format", "subtype"), ANNOUNCING)
def test_half_a_recording_is_told_from_its_header(file_format: str, subtype: str) -> None:
    content = encode(tone(440, RATE, 5), RATE, file_format, subtype)
    assert len(read_audio(content)) == 5 * RATE
    with pytest.raises(AudioError, match=r"is truncated: 2\.\d+ s of the (4\.99|5\.00) s its header announces"):
        read_audio(content[: len(content) // 2])


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize(
    ("codec", "container"), [("libopus", "webm"), ("aac", "matroska"), ("libmp3lame", "matroska"), ("pcm_s16le", "matroska")]
)
def test_half_of_a_container_with_a_duration_is_told_and_the_whole_is_heard(codec: str, container: str, rate: int) -> None:
    content = encode_with_av(tone(440, rate, seconds=5), rate, codec, container)
    assert abs(len(read_audio(content)) - 5 * RATE) < 0.3 * RATE
    with pytest.raises(AudioError, match=r"is truncated: [02]\.\d+ s of the 5\.\d+ s"):
        read_audio(content[: len(content) // 2])


@settings(max_examples=60)
@given(
    encoded=st.sampled_from(
        [
            *(encode(tone(440, RATE, 0.5), RATE, file_format) for file_format in ("WAV", "FLAC", "AIFF", "AU", "CAF", "OGG", "MP3", "W64")),
            *(
                encode_with_av(tone(440, RATE), RATE, codec, kind)
                for codec, kind in (("aac", "ipod"), ("libopus", "webm"), ("aac", "adts"))
            ),
        ]
    ),
    damage=st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_header_is_an_audio_error_or_is_heard(encoded: bytes, damage: list[tuple[int, int]]) -> None:
    content = bytearray(encoded)
    for place, value in damage:
        content[min(place, len(content) - 1)] = value
    for read in (read_audio, audio_duration_s):
        with contextlib.suppress(AudioError):
            read(bytes(content))


def test_tags_that_are_no_text_are_no_reason_to_refuse() -> None:
    content = encode_with_av(tone(440, 48_000), 48_000, "aac", "ipod", title="caf\u00e9")
    damaged = content.replace("caf\u00e9".encode(), b"caf\xff\xfe")
    assert damaged != content
    np.testing.assert_array_equal(read_audio(damaged), read_audio(content))


def test_a_missing_file_a_folder_and_a_raw_suffix(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"absent\.wav: does not exist"):
        read_audio(tmp_path / "absent.wav")
    with pytest.raises(AudioError, match="is not a file"):
        read_audio(tmp_path)
    (tmp_path / "noise.flac").write_bytes(np.random.default_rng(0).bytes(20_000))  # FFmpeg believes the suffix, and finds no rate
    with pytest.raises(AudioError, match=r"noise\.flac: has a sampling rate of 0 Hz|noise\.flac: cannot be decoded"):
        read_audio(tmp_path / "noise.flac")
    (tmp_path / "clip.raw").write_bytes(b"abc" * 100)
    with pytest.raises(AudioError, match="cannot be decoded"):
        read_audio(tmp_path / "clip.raw")


def test_a_flac_that_was_piped_is_read_whole() -> None:
    assert len(read_audio(flac_of_unknown_length(5))) == 5 * RATE
    assert audio_duration_s(flac_of_unknown_length(5)) is None


def test_duration_comes_from_the_header() -> None:
    assert audio_duration_s(SECOND) == 1.0
    assert audio_duration_s(header_of_an_hour()) == 3600.0
    assert audio_duration_s(b"") is None
    assert audio_duration_s(Path("absent.wav")) is None


def test_a_long_recording_never_stands_in_memory_at_its_own_rate() -> None:
    seconds = 120
    content = encode(np.zeros((seconds * 48_000, 2), np.float32), 48_000, subtype="PCM_16")
    at_own_rate = seconds * 48_000 * 2 * 4
    tracemalloc.start()
    try:
        samples = read_audio(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(samples) == seconds * RATE
    assert peak < 3 * samples.nbytes + 8e6 < at_own_rate


def test_reading_gives_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_audio(encode(np.zeros((1000, 2)), 44_100, subtype="PCM_U8"))
