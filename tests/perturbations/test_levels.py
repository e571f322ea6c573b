import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from p56_oracle import active_level_dbfs

from askd_bench.audio import read_audio
from askd_bench.corpora.opening import open_corpus
from askd_bench.perturbations.levels import amplitude, mean_square, rms_dbfs, speech_level


def noise(seconds, level_dbfs=-26.0, seed=0):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    return samples * amplitude(level_dbfs - rms_dbfs(samples))


@pytest.mark.parametrize(("corpus", "every"), [("dialogue", 80), ("prompts", 50)])
def test_reads_speech_as_the_standard_does(corpus, every):
    for utterance in list(open_corpus(corpus))[::every]:
        samples = read_audio(utterance.audio)
        measured = speech_level(samples).active_dbfs
        assert measured == pytest.approx(active_level_dbfs(samples, steps_per_octave=4), abs=0.06)
        assert measured == pytest.approx(active_level_dbfs(samples), abs=0.2)


def test_continuous_sound_is_all_active():
    level = speech_level(noise(10.0))
    assert level.active_dbfs == pytest.approx(-26.0, abs=0.1)
    assert level.activity == pytest.approx(1.0, abs=0.02)


def test_a_fifth_of_speech_in_a_clip_reads_as_speech_not_as_the_clip():
    clip = np.concatenate([np.zeros(16_000 * 4), noise(2.0), np.zeros(16_000 * 4)])
    level = speech_level(clip)
    assert rms_dbfs(clip) == pytest.approx(-33.0, abs=0.1)
    # The hangover counts 0.2 s of silence after the burst, and the envelope needs tens of milliseconds to fall: 10 lg(2.3 / 2) = 0.6 dB.
    assert -26.8 < level.active_dbfs < -26.2
    assert level.activity == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("on_s", [0.5, 1.0, 2.0])
def test_bursts_with_known_activity(on_s):
    period = np.concatenate([noise(on_s, seed=1), np.zeros(16_000)])
    level = speech_level(np.tile(period, 6))
    counted_s = on_s + 0.2 + 0.1  # sound, hangover, decay of the envelope
    assert level.activity == pytest.approx(counted_s / (on_s + 1), abs=0.05)
    assert level.active_dbfs == pytest.approx(-26.0 - 10 * math.log10(counted_s / on_s), abs=0.25)


def test_padding_with_silence_changes_what_the_clip_level_is_not_what_the_speech_level_is():
    clip = np.tile(np.concatenate([noise(0.8), np.zeros(6_400)]), 5)
    padded = np.concatenate([np.zeros(80_000), clip, np.zeros(80_000)])
    assert speech_level(padded).active_dbfs == pytest.approx(speech_level(clip).active_dbfs, abs=0.1)
    assert rms_dbfs(padded) < rms_dbfs(clip) - 3


@settings(max_examples=25)
@given(gain_db=st.floats(-40, 12))
def test_moves_exactly_with_the_gain(gain_db):
    clip = np.concatenate([noise(0.5), np.zeros(8_000), noise(0.3, -32.0)])
    moved = speech_level(clip * amplitude(gain_db)).active_dbfs - speech_level(clip).active_dbfs
    assert moved == pytest.approx(gain_db, abs=1e-6)


@settings(max_examples=60)
@given(arrays(np.float32, st.integers(1, 4000), elements=st.floats(-1, 1, width=32)))
def test_is_defined_for_any_clip(samples):
    level = speech_level(samples)
    assert 0 <= level.activity <= 1 + 1e-9
    if level.active_dbfs is None:
        assert rms_dbfs(samples) <= -100
    else:
        assert math.isfinite(level.active_dbfs)
        assert level.active_dbfs >= rms_dbfs(samples) - 1e-9


def test_silence_has_no_level():
    assert speech_level(np.zeros(16_000, dtype=np.float32)).active_dbfs is None
    assert rms_dbfs(np.zeros(3)) == -math.inf
    assert mean_square(np.zeros(0)) == 0.0
