import random

import audiomentations
import numpy as np
import pytest
import soundfile
from audiomentations.core.transforms_interface import BaseWaveformTransform

from askd_bench.errors import AudioError, UserError
from askd_bench.perturbations.audiomentations_adapter import AudiomentationsTransform, available
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.registry import build_perturbation

RATE = 16_000
SPEECHLIKE = (0.1 * np.sin(np.arange(RATE) * 0.05) * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def apply(perturbation, samples=SPEECHLIKE, seed=0):
    return perturbation.apply(samples, sampling_rate=RATE, rng=np.random.default_rng(seed), scene=Scene())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("PitchShift", {"min_semitones": -2, "max_semitones": 2}),
        ("AddGaussianSNR", {"min_snr_db": 10, "max_snr_db": 10}),
        ("TimeMask", {}),
        ("BandPassFilter", {}),
        ("GainTransition", {}),
        ("RoomSimulator", {"use_ray_tracing": False, "leave_length_unchanged": True}),
    ],
)
def test_is_a_pure_function_of_the_seed(name, parameters):
    perturbation = build_perturbation(f"audiomentations.{name}", parameters)
    first = apply(perturbation)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    apply(perturbation, SPEECHLIKE[::-1], seed=5)
    again = apply(perturbation)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.realised == again.realised
    assert not np.array_equal(first.samples, apply(perturbation, seed=1).samples)


def test_the_global_generators_are_put_back():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    apply(build_perturbation("audiomentations.AddGaussianNoise", {}))
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


def test_equals_the_transform_called_directly_and_tells_what_it_drew():
    result = apply(build_perturbation("audiomentations.Gain", {"min_gain_db": -6, "max_gain_db": -1}))
    assert -6 <= 20 * np.log10(result.realised["amplitude_ratio"]) <= -1
    np.testing.assert_allclose(result.samples, SPEECHLIKE * result.realised["amplitude_ratio"], rtol=1e-5)


def test_is_always_applied_unless_told_otherwise():
    perturbation = build_perturbation("audiomentations.PolarityInversion", {})
    for seed in range(8):
        np.testing.assert_array_equal(apply(perturbation, seed=seed).samples, -SPEECHLIKE)
    sometimes = build_perturbation("audiomentations.PolarityInversion", {"p": 0.5})
    assert {float(apply(sometimes, seed=seed).samples[7] / SPEECHLIKE[7]) for seed in range(20)} == {1.0, -1.0}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_transform_either_works_twice_or_is_refused_in_one_line():
    refusals, worked = [], 0
    for name in available():
        try:
            perturbation = build_perturbation(f"audiomentations.{name}", {})
        except UserError as refusal:
            refusals.append(str(refusal))
        else:
            np.testing.assert_array_equal(apply(perturbation).samples, apply(perturbation).samples)
            worked += 1
    assert worked >= 25
    assert all(refusal.startswith("audiomentations.") and "\n" not in refusal for refusal in refusals)


class Restless(BaseWaveformTransform):
    """Draws from a generator of its own, which no seed reaches."""

    own = np.random.default_rng()

    def apply(self, samples, sample_rate):
        return samples + self.own.standard_normal(samples.size).astype(np.float32)


class NotFinite(BaseWaveformTransform):
    def apply(self, samples, sample_rate):
        return samples / np.max(np.abs(samples))


@pytest.fixture
def with_odd_transforms(monkeypatch):
    for kind in (Restless, NotFinite):
        monkeypatch.setattr(audiomentations, kind.__name__, kind, raising=False)


def test_what_cannot_be_made_deterministic_is_refused(with_odd_transforms):
    with pytest.raises(UserError, match=r"audiomentations\.Restless: is not deterministic: the same seed and signal gave different audio"):
        build_perturbation("audiomentations.Restless", {})
    with pytest.raises(
        UserError, match=r"audiomentations\.RoomSimulator: is not deterministic"
    ):  # its ray tracer has a generator of its own
        build_perturbation("audiomentations.RoomSimulator", {"use_ray_tracing": True})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_audio_that_is_not_finite_is_an_error_of_that_clip(with_odd_transforms):
    perturbation = build_perturbation("audiomentations.NotFinite", {})
    assert np.abs(apply(perturbation).samples).max() == 1
    with pytest.raises(AudioError, match="not finite"):
        apply(perturbation, np.zeros(RATE, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("PitchShft", {}, "'audiomentations.PitchShft' is unknown; did you mean 'audiomentations.PitchShift'"),
        ("PitchShift", {"min_semitone": 1}, "'min_semitone' is unknown; did you mean 'min_semitones'"),
        ("PitchShift", {"min_semitones": 5, "max_semitones": 1}, r"audiomentations\.PitchShift: \S+"),
        ("AddBackgroundNoise", {}, "missing 1 required positional argument: 'sounds_path'"),
        ("AddBackgroundNoise", {"sounds_path": "/nowhere"}, r"audiomentations\.AddBackgroundNoise: "),
        ("Lambda", {"transform": "x"}, r"audiomentations\.Lambda: "),
    ],
)
def test_wrong_use_is_refused_in_one_line(name, parameters, message):
    with pytest.raises(UserError, match=message) as refusal:
        build_perturbation(f"audiomentations.{name}", parameters)
    assert "\n" not in str(refusal.value)


def test_a_transform_may_read_files(tmp_path):
    soundfile.write(tmp_path / "hiss.wav", 0.1 * np.random.default_rng(1).standard_normal(RATE), RATE)
    parameters = {"sounds_path": str(tmp_path), "min_snr_db": 5, "max_snr_db": 5}
    perturbation = build_perturbation("audiomentations.AddBackgroundNoise", parameters)
    np.testing.assert_array_equal(apply(perturbation).samples, apply(perturbation).samples)


def test_parameters_are_part_of_what_is_fingerprinted():
    perturbation = AudiomentationsTransform(transform="Gain", parameters={"min_gain_db": -3, "max_gain_db": -3})
    assert perturbation.model_dump(mode="json") == {"transform": "Gain", "parameters": {"min_gain_db": -3, "max_gain_db": -3}}
