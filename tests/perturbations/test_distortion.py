import importlib.util
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import signal

from askd_bench.audio import read_audio
from askd_bench.corpora.opening import open_corpus
from askd_bench.errors import UserError
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.distortion import BitDepth, Gain, Mp3, Resample
from askd_bench.perturbations.filters import Bass, HighPass, LowPass, Treble
from askd_bench.perturbations.modulation import Chorus, Echo, Phaser, Tremolo
from askd_bench.perturbations.registry import PERTURBATIONS, build_perturbation
from askd_bench.perturbations.time_scale import Pitch, Speed, Tempo, _phase_vocoder

RATE = 16_000
GOLDEN = Path(__file__).parents[1] / "golden"


def _load_generator():
    spec = importlib.util.spec_from_file_location("make_sox_effects", GOLDEN / "make_sox_effects.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOX = _load_generator()
PROBE = SOX.probe_signal()


def apply(perturbation, samples):
    return perturbation.apply(samples, sampling_rate=RATE, rng=np.random.default_rng(0), scene=Scene())


# The outside oracle: SoX itself, see tests/golden/make_sox_effects.py


@pytest.mark.parametrize(
    ("name", "perturbation", "tolerance"),
    [
        ("echo-125", Echo(delay_ms=125), 3e-7),
        ("phaser-0.3", Phaser(decay=0.3), 3e-7),
        ("phaser-0.9", Phaser(decay=0.9), 1e-6),
        ("tremolo-66", Tremolo(depth_percent=66), 3e-7),
        ("chorus-30", Chorus(delay_ms=30), 5e-7),
        ("chorus-90", Chorus(delay_ms=90), 5e-7),
        ("tempo-1.25", Tempo(factor=1.25), 3e-7),
        ("tempo-2", Tempo(factor=2), 3e-7),
        ("tempo-0.5", Tempo(factor=0.5), 3e-7),
        ("treble-23", Treble(gain_db=23), 1e-6),
        ("treble-50", Treble(gain_db=50), 1e-6),
        ("bass-20", Bass(gain_db=20), 1e-6),
        ("bass-50", Bass(gain_db=50), 1e-6),
        # Kaiser windows of slightly different design, and another polyphase resampler:
        ("low_pass-1666", LowPass(frequency_hz=1666), 3e-4),
        ("high_pass-1333", HighPass(frequency_hz=1333), 3e-4),
        ("speed-1.5", Speed(factor=1.5), 5e-4),
        ("speed-0.625", Speed(factor=0.625), 5e-4),
    ],
)
def test_equals_sox(name, perturbation, tolerance):
    with np.load(GOLDEN / "sox_effects.npz") as golden:
        expected, length = golden[name], int(golden[f"{name}.length"])
    samples = np.clip(apply(perturbation, PROBE).samples, -1, 1)
    assert samples.size == length
    np.testing.assert_allclose(samples[:: SOX.EVERY], expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("semitones", [-12, -6, 3, 12])
def test_phase_vocoder_equals_librosa(semitones):
    rate = 2 ** (-semitones / 12)
    ours = _phase_vocoder(PROBE.astype(np.float64), rate)
    spectrum = librosa.phase_vocoder(librosa.stft(PROBE.astype(np.float64), n_fft=512, hop_length=128), rate=rate, hop_length=128)
    theirs = librosa.istft(spectrum, hop_length=128, length=ours.size)
    np.testing.assert_allclose(ours[:-2048], theirs[:-2048], atol=1e-9)


# Formulas


def response_db(perturbation, frequency_hz, amplitude=1e-3):
    """Return the gain of a steady sine in dB, its edges left out."""
    time = np.arange(RATE) / RATE
    sine = (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)
    inner = slice(RATE // 4, -RATE // 4)
    return 10 * np.log10(np.mean(apply(perturbation, sine).samples[inner].astype(float) ** 2) / np.mean(sine[inner].astype(float) ** 2))


@pytest.mark.parametrize("cut_hz", [500, 1666, 2833, 4000])
def test_low_pass_edges(cut_hz):
    band = LowPass(frequency_hz=cut_hz)
    assert response_db(band, cut_hz) == pytest.approx(-6.02, abs=0.05)
    minus_3_db = next(f for f in range(cut_hz - 100, cut_hz) if response_db(band, f) < -3.01)
    assert cut_hz - 45 < minus_3_db < cut_hz - 25
    assert response_db(band, cut_hz - 210) == pytest.approx(0, abs=0.01)
    assert response_db(band, cut_hz + 210) < -110


@pytest.mark.parametrize("cut_hz", [500, 1333, 2166, 3000])
def test_high_pass_edges(cut_hz):
    band = HighPass(frequency_hz=cut_hz)
    assert response_db(band, cut_hz) == pytest.approx(-6.02, abs=0.05)
    minus_3_db = next(f for f in range(cut_hz, cut_hz + 100) if response_db(band, f) > -3.01)
    assert cut_hz + 25 < minus_3_db < cut_hz + 45
    assert response_db(band, cut_hz + 210) == pytest.approx(0, abs=0.01)
    assert response_db(band, cut_hz - 210) < -110


@pytest.mark.parametrize("factor", [0.75, 0.5, 0.25, 0.125])
def test_resampling_keeps_the_band_below_its_nyquist_frequency_only(factor):
    nyquist = factor * RATE / 2
    assert response_db(Resample(factor=factor), 0.85 * nyquist) == pytest.approx(0, abs=0.1)
    if factor < 1:
        assert response_db(Resample(factor=factor), min(1.1 * nyquist, 7990)) < -80


@pytest.mark.parametrize("gain_db", [10, 23, 36])
def test_shelves_reach_their_gain_and_half_of_it_at_their_centre(gain_db):
    assert response_db(Treble(gain_db=gain_db), 3000) == pytest.approx(gain_db / 2, abs=0.1)
    assert response_db(Treble(gain_db=gain_db), 7900) == pytest.approx(gain_db, abs=0.5)
    assert response_db(Bass(gain_db=gain_db), 100) == pytest.approx(gain_db / 2, abs=0.1)
    assert response_db(Bass(gain_db=gain_db), 4000) == pytest.approx(0, abs=0.2)


def test_echo_is_the_input_twice():
    samples = apply(Echo(delay_ms=250), PROBE).samples
    direct = np.zeros_like(samples)
    direct[: PROBE.size] = 0.72 * PROBE
    np.testing.assert_allclose((samples - direct)[4000:], 0.27 * PROBE, atol=1e-6)


def test_tremolo_swings_by_its_depth_at_its_speed():
    envelope = apply(Tremolo(depth_percent=83), np.full(RATE, 0.5, dtype=np.float32)).samples
    assert envelope.max() == pytest.approx(0.5)
    assert envelope.min() == pytest.approx(0.5 * 0.17, abs=1e-4)
    assert np.argmax(np.abs(np.fft.rfft(envelope - envelope.mean()))) == 20


@pytest.mark.parametrize("factor", [0.5, 0.875, 1.25, 2])
def test_speed_moves_pitch_and_duration(factor):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
    faster = apply(Speed(factor=factor), tone).samples
    assert faster.size == round(tone.size / factor)
    assert dominant_hz(faster) == pytest.approx(440 * factor, rel=2e-3)


@pytest.mark.parametrize("factor", [0.5, 0.875, 1.25, 2])
def test_tempo_moves_duration_and_not_pitch(factor):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
    faster = apply(Tempo(factor=factor), tone).samples
    assert faster.size == round(tone.size / factor)
    assert dominant_hz(faster) == pytest.approx(440, rel=5e-3)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("semitones", [3, 6, 9, 12])
def test_pitch_moves_pitch_and_not_duration(semitones, direction):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
    shifted = apply(Pitch(semitones=semitones, direction=direction), tone).samples
    assert shifted.size == tone.size
    assert dominant_hz(shifted) == pytest.approx(440 * 2 ** ((semitones if direction == "up" else -semitones) / 12), rel=5e-3)


def dominant_hz(samples):
    middle = samples[samples.size // 8 : -samples.size // 8]
    power = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 1 << 18))
    return np.argmax(power) * RATE / (1 << 18)


def test_gain_clips_and_says_how_much():
    result = apply(Gain(amplitude=30), PROBE)
    over = np.abs(PROBE.astype(np.float64) * 30) > 1
    assert result.realised["clipped_percent"] == pytest.approx(100 * over.mean())
    assert np.abs(result.samples).max() == 1
    np.testing.assert_allclose(result.samples[~over], 30 * PROBE[~over], rtol=1e-6)


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_bit_depth_leaves_so_many_values_and_so_much_noise(bits):
    loud = 0.9 * signal.sawtooth(2 * np.pi * 3.1 * np.arange(RATE) / RATE).astype(np.float32)
    coarse = apply(BitDepth(bits=bits), loud).samples
    assert len(np.unique(coarse)) <= 2**bits
    step = 2.0 ** (1 - bits)
    assert np.mean((coarse - loud) ** 2) == pytest.approx(step**2 / 12, rel=0.1)


@pytest.mark.parametrize(("kbps", "least_db"), [(32, 15), (16, 10), (8, 7)])
def test_mp3_is_aligned_and_worse_at_lower_rates(kbps, least_db):
    speech = read_audio(next(u for u in open_corpus("prompts") if (u.duration_s or 0) > 4).audio)
    decoded = apply(Mp3(kbps=kbps), speech).samples
    assert decoded.size == speech.size
    correlation = signal.correlate(decoded, speech, mode="same", method="fft")
    assert abs(int(np.argmax(correlation)) - speech.size // 2) <= 1
    noise = np.mean((decoded.astype(float) - speech) ** 2)
    assert 10 * np.log10(np.mean(speech.astype(float) ** 2) / noise) > least_db


# Parameters, determinism, any input

EVERY_KIND = [
    Echo(delay_ms=125),
    Phaser(decay=0.9),
    Tremolo(depth_percent=100),
    Chorus(delay_ms=90),
    Tempo(factor=0.5),
    Tempo(factor=2),
    Speed(factor=0.5),
    Speed(factor=2),
    Pitch(semitones=12, direction="up"),
    Pitch(semitones=12, direction="down"),
    Resample(factor=0.125),
    Gain(amplitude=40),
    LowPass(frequency_hz=500),
    HighPass(frequency_hz=3000),
    Treble(gain_db=50),
    Bass(gain_db=50),
    BitDepth(bits=3),
    Mp3(kbps=8),
]
LONGEST_TAIL = {Echo: 2000, Chorus: 1632}


@pytest.mark.parametrize("perturbation", EVERY_KIND, ids=repr)
@settings(max_examples=8)
@given(samples=arrays(np.float32, st.integers(1, 3000), elements=st.floats(-1, 1, width=32)))
def test_any_clip_stays_finite_repeats_and_has_the_documented_length(perturbation, samples):
    first, again = apply(perturbation, samples), apply(perturbation, samples)
    assert first.samples.dtype == np.float32
    assert np.isfinite(first.samples).all()
    np.testing.assert_array_equal(first.samples, again.samples)
    expected = samples.size / getattr(perturbation, "factor", 1) if isinstance(perturbation, (Speed, Tempo)) else samples.size
    assert first.samples.size == max(1, int(expected + 0.5)) + LONGEST_TAIL.get(type(perturbation), 0)


@pytest.mark.parametrize("perturbation", EVERY_KIND, ids=repr)
def test_silence_stays_silent(perturbation):
    assert np.abs(apply(perturbation, np.zeros(8000, dtype=np.float32)).samples).max() < 1e-3


def test_cut_off_above_the_band_is_refused():
    with pytest.raises(UserError, match="frequency_hz: 9000 is not below"):
        apply(LowPass(frequency_hz=9000), PROBE)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("tremollo", {}, "did you mean 'tremolo'"),
        ("tremolo", {}, "tremolo.depth_percent: is missing"),
        ("tremolo", {"depth_percent": 50, "sped_hz": 2}, "'sped_hz' is unknown; did you mean 'speed_hz'"),
        ("tremolo", {"depth_percent": 150}, "tremolo.depth_percent: 150 is not allowed: .*less than or equal to 100"),
        ("mp3", {"kbps": 12}, r"mp3.kbps: 12 is not allowed"),
    ],
)
def test_registry_refuses_in_one_line(name, parameters, message):
    with pytest.raises(UserError, match=message) as refusal:
        build_perturbation(name, parameters)
    assert "\n" not in str(refusal.value)


def test_registry_names_are_snake_case_and_documented():
    for name, kind in PERTURBATIONS.items():
        assert name == name.lower()
        assert kind.__doc__
