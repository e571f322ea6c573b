"""What a model hears has the ratio that was asked for, measured on the int16 samples; and is the same whatever happens around it."""

import hashlib
from typing import Any

import numpy as np
import pytest

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.levels import rms_dbfs, speech_level
from askd_bench.rendering import Rendered, render, seeded_generator
from askd_bench.suites import Suite, load_suite


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("noisy")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(talkers=tuple(open_corpus("accents"))[::30])


@pytest.fixture(scope="module")
def utterances() -> list[Any]:
    """One of each corpus: other speakers, levels, codings and rates."""
    return [sorted(open_corpus(name), key=lambda u: u.id)[3] for name in ("dialogue", "prompts", "accents", "books")]


def rendered(utterance: Any, condition: str, suite: Suite, scene: Scene) -> Rendered:
    return render(utterance, suite.conditions[condition], suite=suite.name, version=suite.version, scene=scene)


@pytest.mark.parametrize("snr_db", [20, 10, 5, 0, -5])
@pytest.mark.parametrize("noise", ["white", "pink", "speech-shaped", "babble", "music", "impulsive", "hum"])
def test_the_ratio_asked_for_is_the_ratio_heard(noise: str, snr_db: int, suite: Suite, scene: Scene, utterances: list[Any]) -> None:
    for utterance in utterances:
        heard = rendered(utterance, f"{noise}-{snr_db}dB", suite, scene)
        assert np.max(np.abs(heard.samples)) <= 1
        gain_db = heard.realised.get("gain_db", 0.0)
        assert gain_db <= 0
        speech = read_audio(utterance.audio).astype(np.float64)
        added = heard.samples / 10 ** (gain_db / 20) - speech
        level = speech_level(speech).active_dbfs
        assert level is not None
        assert level - rms_dbfs(added) == pytest.approx(snr_db, abs=0.1)
        assert heard.realised["snr_db"] == pytest.approx(snr_db, abs=0.1)
        assert heard.realised["snr_clip_db"] == pytest.approx(rms_dbfs(speech) - rms_dbfs(added), abs=0.1)


def test_what_would_clip_is_lowered_as_a_whole_and_says_so(suite: Suite, scene: Scene, utterances: list[Any]) -> None:
    lowered = [heard for u in utterances for heard in [rendered(u, "white--5dB", suite, scene)] if "gain_db" in heard.realised]
    assert lowered, "noise above loud speech exceeds full scale"
    for heard in lowered:
        assert heard.realised["gain_db"] < 0
        assert np.max(np.abs(heard.samples)) == pytest.approx(1, abs=2 / 32_768)
        near_full_scale = np.abs(heard.samples) > 1 - 2 / 32_768
        assert near_full_scale.sum() <= 2, "one peak reaches full scale: nothing was clipped"


def test_clean_speech_is_the_recording_in_16_bits(suite: Suite, scene: Scene, utterances: list[Any]) -> None:
    for utterance in utterances:
        heard = rendered(utterance, "clean", suite, scene)
        np.testing.assert_allclose(
            heard.samples, read_audio(utterance.audio), atol=0.5001 / 32_768 + 1 / 32_768 * (heard.samples.max() > 0.9999)
        )
        assert heard.realised == {}


def test_the_hash_is_of_the_little_endian_int16_samples(suite: Suite, scene: Scene, utterances: list[Any]) -> None:
    for condition in ("clean", "babble-0dB"):
        heard = rendered(utterances[0], condition, suite, scene)
        samples = heard.samples * 32_768
        assert np.array_equal(samples, np.round(samples))
        assert heard.sha256 == hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def test_rendering_hangs_on_its_four_names_alone(suite: Suite, scene: Scene, utterances: list[Any]) -> None:
    np.random.seed(1)  # noqa: NPY002  # the global state must not matter
    one = rendered(utterances[1], "babble-0dB", suite, scene)
    np.random.seed(2)  # noqa: NPY002
    rendered(utterances[0], "babble-0dB", suite, scene)
    assert rendered(utterances[1], "babble-0dB", suite, scene).sha256 == one.sha256
    condition = suite.conditions["babble-0dB"]
    for name, version in (("noisy2", suite.version), (suite.name, suite.version + 1)):
        assert render(utterances[1], condition, suite=name, version=version, scene=scene).sha256 != one.sha256


def test_the_seed_rule_is_pinned() -> None:
    """Another rule would silently make every earlier result incomparable."""
    rng = seeded_generator("noisy", 1, "white-0dB", "u1")
    seed = int.from_bytes(hashlib.sha256(b"noisy\x001\x00white-0dB\x00u1").digest(), "big")
    assert rng.integers(1 << 32, size=3).tolist() == np.random.Generator(np.random.PCG64(seed)).integers(1 << 32, size=3).tolist()
    assert rng.bit_generator.state["bit_generator"] == "PCG64"
    others = (("a", 1, "b", "c"), ("a", 11, "b", "c"), ("a", 1, "bc", ""), ("a1", 1, "b", "c"))
    draws = {seeded_generator(*names).integers(1 << 62) for names in others}
    assert len(draws) == 4
