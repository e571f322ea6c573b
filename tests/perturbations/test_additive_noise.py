import hashlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from p56_oracle import active_level_dbfs
from pydantic import ValidationError
from scipy import signal

from askd_bench.audio import read_audio
from askd_bench.corpora.opening import open_corpus
from askd_bench.errors import AudioError, UserError
from askd_bench.perturbations import generators
from askd_bench.perturbations.additive_noise import AdditiveNoise
from askd_bench.perturbations.babble import babble, voice
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.levels import rms_dbfs
from askd_bench.perturbations.recordings import CROSS_FADE_S, bundled, check_readable, excerpt, in_folder
from askd_bench.suites import load_suite

RATE = 16_000
GENERATED = ["white", "pink", "low-frequency", "speech-shaped", "room-tone", "hum", "impulsive", "breath"]


@pytest.fixture(scope="module")
def utterance():
    return next(u for u in open_corpus("prompts") if (u.duration_s or 0) > 4)


@pytest.fixture(scope="module")
def speech(utterance):
    return read_audio(utterance.audio)


@pytest.fixture(scope="module")
def scene(utterance):
    return Scene(speaker=voice(utterance), talkers=list(open_corpus("accents"))[::8])


def apply(perturbation, samples, scene=None, seed=0):
    return perturbation.apply(samples, sampling_rate=RATE, rng=np.random.default_rng(seed), scene=scene or Scene())


@pytest.mark.parametrize("snr_db", [20, 0, -5])
@pytest.mark.parametrize("noise", [*GENERATED, "babble", "crosstalk", "music"])
def test_reaches_the_snr_on_active_speech(noise, snr_db, speech, scene):
    result = apply(AdditiveNoise(noise=noise, snr_db=snr_db), speech, scene)
    added = result.samples.astype(np.float64) - speech
    measured = active_level_dbfs(speech, steps_per_octave=2) - 10 * np.log10(np.mean(added**2))
    assert measured == pytest.approx(snr_db, abs=0.1)
    assert result.realised["snr_db"] == pytest.approx(measured, abs=0.1)
    assert result.realised["snr_clip_db"] == pytest.approx(10 * np.log10(np.mean(speech.astype(float) ** 2) / np.mean(added**2)), abs=0.01)


def test_pauses_do_not_change_the_snr_on_active_speech(speech):
    padded = np.concatenate([np.zeros(5 * RATE, dtype=np.float32), speech, np.zeros(5 * RATE, dtype=np.float32)])
    noise = AdditiveNoise(noise="white", snr_db=10)
    added = [apply(noise, clip).realised["noise_dbfs"] for clip in (speech, padded)]
    assert added[1] == pytest.approx(added[0], abs=0.3)
    assert apply(noise, padded).realised["snr_clip_db"] < 8


def test_snr_of_the_clip_is_the_ratio_of_the_two_powers(speech):
    result = apply(AdditiveNoise(noise="white", snr_db=10, snr_of="clip"), speech)
    added = result.samples.astype(np.float64) - speech
    assert 10 * np.log10(np.mean(speech.astype(float) ** 2) / np.mean(added**2)) == pytest.approx(10, abs=0.01)
    assert result.realised["snr_db"] > 10


@pytest.mark.parametrize("noise", [*GENERATED, "music"])
def test_absolute_level(noise):
    result = apply(AdditiveNoise(noise=noise, level_dbfs=-40), np.zeros(3 * RATE, dtype=np.float32))
    assert rms_dbfs(result.samples) == pytest.approx(-40, abs=0.01)
    assert result.realised["snr_db"] is None


def test_under_silence_noise_has_its_level_under_nominal_speech():
    result = apply(AdditiveNoise(noise="pink", snr_db=10), np.zeros(RATE, dtype=np.float32))
    assert rms_dbfs(result.samples) == pytest.approx(-36, abs=0.01)


# Spectra


def density(noise, seconds=120):
    samples = noise(seconds * RATE, RATE, np.random.default_rng(5))
    return signal.welch(samples, RATE, nperseg=16_384)


@pytest.mark.parametrize(("noise", "slope"), [(generators.white, 0.0), (generators.pink, -1.0)])
def test_spectral_slope(noise, slope):
    frequencies, power = density(noise)
    inside = (frequencies > 30) & (frequencies < 7900)
    measured = np.polyfit(np.log10(frequencies[inside]), np.log10(power[inside]), 1, w=1 / np.sqrt(frequencies[inside]))[0]
    assert measured == pytest.approx(slope, abs=0.02)


def test_pink_noise_has_nothing_below_hearing():
    samples = generators.pink(120 * RATE, RATE, np.random.default_rng(5))
    power = np.abs(np.fft.rfft(samples)) ** 2
    assert power[np.fft.rfftfreq(samples.size, 1 / RATE) < 20].sum() < 1e-12 * power.sum()


@pytest.mark.parametrize(
    ("noise", "levels", "first"), [(generators.speech_shaped, generators.LTASS_DB, 0), (generators.room_tone, generators.HOTH_DB, 2)]
)
def test_third_octave_levels_follow_the_table(noise, levels, first):
    frequencies, power = density(noise)
    centres = generators.THIRD_OCTAVES_HZ[first:-1]  # the topmost band is cut by the Nyquist frequency
    bands = [power[(frequencies >= c * 2 ** (-1 / 6)) & (frequencies < c * 2 ** (1 / 6))].sum() for c in centres]
    errors = 10 * np.log10(bands) - levels[: centres.size]
    assert np.abs(errors - errors.mean()).max() < 1.5
    assert np.sqrt(np.mean((errors - errors.mean()) ** 2)) < 0.7


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_hum_has_the_mains_frequency_and_its_harmonics_only(mains_hz):
    samples = generators.hum(20 * RATE, RATE, np.random.default_rng(1), mains_hz=mains_hz)
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2
    frequencies = np.fft.rfftfreq(samples.size, 1 / RATE)
    near = np.abs(frequencies / mains_hz - np.round(frequencies / mains_hz)) < 0.03
    assert power[near & (frequencies < mains_hz * 20.5)].sum() > 0.9999 * power.sum()
    peaks = [power[np.abs(frequencies - k * mains_hz) < 1.5].sum() for k in (1, 2, 4)]
    assert np.diff(10 * np.log10(peaks)) == pytest.approx([-6.02, -6.02], abs=0.1)


def test_impulses_are_rare_and_peaky():
    samples = generators.impulsive(60 * RATE, RATE, np.random.default_rng(2))
    rms = np.sqrt(np.mean(samples**2))
    assert np.mean(samples**4) / rms**4 > 30  # Gaussian noise has 3
    assert np.median(np.abs(samples)) < 0.01 * rms  # most of the time there is nothing
    loud = np.abs(samples).reshape(-1, RATE // 100).max(axis=1) > 0.3 * np.abs(samples).max()
    starts = np.count_nonzero(loud[1:] & ~loud[:-1])
    assert 60 < starts < 60 * generators.IMPULSES_PER_S


# Voices


def test_babble_is_of_other_speakers(scene):
    pool = [u for u in scene.talkers if voice(u) in {voice(v) for v in scene.talkers[:40]}]
    names = sorted({voice(u) for u in pool})[:4]
    four = [u for u in pool if voice(u) in names]
    total, talkers = babble(RATE, RATE, np.random.default_rng(0), scene=Scene(speaker=names[0], talkers=four), talkers=None)
    without, _ = babble(
        RATE, RATE, np.random.default_rng(0), scene=Scene(speaker=None, talkers=[u for u in four if voice(u) != names[0]]), talkers=None
    )
    assert talkers == 3
    np.testing.assert_array_equal(total, without)
    with pytest.raises(UserError, match="3 other speakers or more are needed; the pool has 2"):
        babble(
            RATE,
            RATE,
            np.random.default_rng(0),
            scene=Scene(speaker=names[0], talkers=[u for u in four if voice(u) != names[1]]),
            talkers=3,
        )


def test_talkers_are_counted_and_equally_loud(scene):
    one, heard = babble(20 * RATE, RATE, np.random.default_rng(1), scene=scene, talkers=1)
    assert heard == 1
    assert active_level_dbfs(0.05 * one, steps_per_octave=2) == pytest.approx(-26, abs=1)
    many = [babble(10 * RATE, RATE, np.random.default_rng(seed), scene=scene, talkers=None)[1] for seed in range(30)]
    assert set(many) == {3, 4, 5, 6, 7}
    total, heard = babble(20 * RATE, RATE, np.random.default_rng(1), scene=scene, talkers=7)
    assert heard == 7
    assert rms_dbfs(total) - rms_dbfs(one) == pytest.approx(10 * np.log10(7), abs=1.5)


# Recordings


def test_music_is_a_random_excerpt():
    noise = AdditiveNoise(noise="music", level_dbfs=-26)
    results = [apply(noise, np.zeros(2 * RATE, dtype=np.float32), seed=seed) for seed in range(12)]
    assert len({r.realised["noise_file"] for r in results}) > 2
    assert len({r.samples.tobytes() for r in results}) == 12


def test_an_excerpt_is_the_recording_from_some_moment_on():
    path = bundled("music")[0]
    whole = read_audio(path).astype(np.float64)
    part = excerpt(path, RATE, RATE, np.random.default_rng(3))
    lag = int(np.argmax(signal.correlate(whole, part, mode="valid", method="fft")))
    inner = slice(800, -800)  # the resampler's ends differ
    assert np.corrcoef(whole[lag : lag + RATE][inner], part[inner])[0, 1] > 0.999


def test_short_recordings_are_looped_without_a_click(tmp_path):
    time = np.arange(RATE // 2) / RATE
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 443.3 * time), RATE, subtype="FLOAT")
    looped = excerpt(tmp_path / "tone.wav", 5 * RATE, RATE, np.random.default_rng(4))
    assert looped.size == 5 * RATE
    assert np.abs(np.diff(looped)).max() < 2 * 0.3 * 2 * np.pi * 443.3 / RATE  # a cut would jump by up to 0.6
    period = RATE // 2 - round(CROSS_FADE_S * RATE)
    np.testing.assert_array_equal(looped[:period], looped[period : 2 * period])


@pytest.fixture
def noise_folders(tmp_path):
    def write(name, rate=RATE, channels=1):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (rate, channels) if channels > 1 else rate
        soundfile.write(path, 0.1 * np.random.default_rng(len(name)).standard_normal(shape), rate)

    for name in ("musan/noise/free-sound/n-0001.wav", "musan/music/fma/m-0001.wav", "musan/speech/librivox/s-0001.wav"):
        write(name)
    for name in ("esc/audio/1-100032-A-0.wav", "esc/audio/1-17367-A-10.wav"):
        write(name, 44_100)
    (tmp_path / "esc/meta").mkdir()
    (tmp_path / "esc/meta/esc50.csv").write_text("filename,fold,category\n1-100032-A-0.wav,1,dog\n1-17367-A-10.wav,1,rain\n")
    for name in ("demand/DKITCHEN/ch01.wav", "demand/DKITCHEN/ch16.wav", "demand/STRAFFIC/ch01.wav"):
        write(name, 48_000, 2)
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "category", "files"),
    [
        ("musan", None, ["music/fma/m-0001.wav", "noise/free-sound/n-0001.wav"]),
        ("musan", "noise/*", ["noise/free-sound/n-0001.wav"]),
        ("musan", "speech", ["speech/librivox/s-0001.wav"]),
        ("esc", "rain", ["audio/1-17367-A-10.wav"]),
        ("esc", None, ["audio/1-100032-A-0.wav", "audio/1-17367-A-10.wav"]),
        ("demand", None, ["DKITCHEN/ch01.wav", "STRAFFIC/ch01.wav"]),
        ("demand", "STRAFFIC", ["STRAFFIC/ch01.wav"]),
    ],
)
def test_noise_folders_of_others(noise_folders, speech, folder, category, files):
    root = noise_folders / folder
    assert [path.relative_to(root).as_posix() for path in in_folder(root, category)] == files
    result = apply(AdditiveNoise(noise="folder", snr_db=5, category=category), speech, Scene(noise_dir=root))
    assert result.realised["noise_file"] in files
    assert result.realised["snr_db"] == pytest.approx(5)


def test_files_that_macos_puts_beside_recordings_are_passed_over(noise_folders):
    for name in ("esc/audio/._1-17367-A-10.wav", "esc/._meta.wav"):
        (noise_folders / name).write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    found = [path.name for path in in_folder(noise_folders / "esc", None)]
    assert found == ["1-100032-A-0.wav", "1-17367-A-10.wav"]


def test_a_recording_that_cannot_be_read_is_named_before_a_run(noise_folders):
    root = noise_folders / "esc"
    check_readable(in_folder(root, None), "noise_dir")
    for name, content in (("broken.wav", b"RIFF0000"), ("empty.wav", b"")):
        (root / name).write_bytes(content)
        in_folder.cache_clear()
        with pytest.raises(UserError, match=rf"noise_dir: '.*{name}' cannot be read as audio"):
            check_readable(in_folder(root, None), "noise_dir")
        (root / name).unlink()


def test_a_noise_folder_that_does_not_serve_is_refused(noise_folders, speech, tmp_path):
    noise = AdditiveNoise(noise="folder", snr_db=5)
    (tmp_path / "empty").mkdir()
    for root, message in ((None, "none given"), (tmp_path / "absent", "is not a folder"), (tmp_path / "empty", "no audio file in")):
        with pytest.raises(UserError, match=message):
            apply(noise, speech, Scene(noise_dir=root))
    with pytest.raises(UserError, match="of category 'snow'"):
        apply(AdditiveNoise(noise="folder", snr_db=5, category="snow"), speech, Scene(noise_dir=noise_folders / "esc"))
    (tmp_path / "empty/broken.wav").write_bytes(b"RIFF0000")
    in_folder.cache_clear()
    with pytest.raises(AudioError, match=r"'broken\.wav' cannot be read"):
        apply(noise, speech, Scene(noise_dir=tmp_path / "empty"))


# Parameters, determinism, any input


@pytest.mark.parametrize(
    "parameters",
    [
        {"noise": "white"},
        {"noise": "white", "snr_db": 5, "level_dbfs": -30},
        {"noise": "white", "snr_db": 99},
        {"noise": "whit", "snr_db": 5},
        {"noise": "white", "snr_db": 5, "talkers": 4},
        {"noise": "babble", "snr_db": 5, "talkers": 2},
        {"noise": "music", "snr_db": 5, "category": "x"},
    ],
)
def test_wrong_parameters_are_refused(parameters):
    with pytest.raises(ValidationError):
        AdditiveNoise.model_validate(parameters)


HASHES = """
import hashlib, sys
sys.path.insert(0, {here!r})
from test_additive_noise import hashes
print(hashes())
"""


def hashes():
    """Return one hash over every condition of the noisy suite's default grid on one prompt."""
    line = next(u for u in open_corpus("prompts") if (u.duration_s or 0) > 4)
    scene = Scene(speaker=voice(line), talkers=list(open_corpus("accents"))[::8])
    samples = read_audio(line.audio)
    digest = hashlib.sha256()
    for condition in load_suite("noisy").select(["*-5dB"]):
        for perturbation in condition.chain:
            digest.update(apply(perturbation, samples, scene).samples.tobytes())
    return digest.hexdigest()


def test_bit_exact_in_another_process_with_other_threads_and_other_globals(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    code = HASHES.format(here=str(__file__).rpartition("/")[0])
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    np.random.seed(3)  # noqa: NPY002
    assert hashes() == other
    assert hashes() == other  # and again, with warm caches


@settings(max_examples=40)
@given(
    arrays(np.float32, st.integers(1, 3000), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([*GENERATED, "music"]),
    st.floats(-30, 60),
    st.integers(0, 2**32 - 1),
)
def test_any_clip_stays_finite_and_as_long(samples, noise, snr_db, seed):
    result = apply(AdditiveNoise(noise=noise, snr_db=snr_db), samples, seed=seed)
    assert result.samples.dtype == np.float32
    assert result.samples.shape == samples.shape
    assert np.isfinite(result.samples).all()
    assert all(value is None or value == value for value in result.realised.values())
