import numpy as np
import pytest

from askd_bench.audio import read_audio
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.levels import rms_dbfs
from askd_bench.perturbations.line_tones import CADENCES, AddedLineTone
from askd_bench.perturbations.silence import CLIPS_PER_DURATION, DURATIONS_S, silence_utterances
from askd_bench.suites import load_suite

RATE = 16_000


def tone(name, seconds=12, seed=0, **parameters):
    silent = np.zeros(seconds * RATE, dtype=np.float32)
    perturbation = AddedLineTone(tone=name, **parameters)
    return perturbation.apply(silent, sampling_rate=RATE, rng=np.random.default_rng(seed), scene=Scene()).samples


def test_silent_clips_are_silent_and_as_long_as_they_say():
    utterances = silence_utterances()
    assert len({u.id for u in utterances}) == len(utterances) == len(DURATIONS_S) * CLIPS_PER_DURATION
    for utterance in utterances[:: CLIPS_PER_DURATION - 1]:
        samples = read_audio(utterance.audio)
        assert samples.size == round(utterance.duration_s * RATE)
        assert not samples.any()
        assert utterance.reference == ""
        assert utterance.speaker is None
    assert silence_utterances() == utterances
    assert 2 <= min(DURATIONS_S) <= max(DURATIONS_S) <= 30


@pytest.mark.parametrize("condition", load_suite("silence").conditions.values(), ids=lambda condition: condition.id)
def test_every_condition_of_the_suite_renders(condition):
    samples = np.zeros(3 * RATE, dtype=np.float32)
    generator = np.random.default_rng(1)
    for perturbation in condition.chain:
        samples = perturbation.apply(samples, sampling_rate=RATE, rng=generator, scene=Scene()).samples
    assert np.isfinite(samples).all()
    assert samples.size == 3 * RATE
    assert samples.any() == bool(condition.chain)


@pytest.mark.parametrize("name", CADENCES)
def test_tones_have_their_frequencies_only(name):
    samples = tone(name, 24)
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    frequencies = np.fft.rfftfreq(samples.size, 1 / RATE)
    wanted = {f for _, step in CADENCES[name] for f in step}
    near = np.any([np.abs(frequencies - f) < 40 for f in wanted], axis=0)  # the cadence's side bands
    assert power[near].sum() > 0.99 * power.sum()
    for frequency in wanted:
        assert power[np.abs(frequencies - frequency) < 12].sum() > 0.1 * power.sum()


@pytest.mark.parametrize("name", CADENCES)
def test_tones_keep_their_cadence_and_level(name):
    samples = tone(name, 30, level_dbfs=-20)
    loud = np.abs(samples).reshape(-1, RATE // 100).max(axis=1) > 0.02
    cycle = sum(duration for duration, _ in CADENCES[name])
    on_share = sum(duration for duration, frequencies in CADENCES[name] if frequencies) / cycle
    assert loud.mean() == pytest.approx(on_share, abs=0.07)
    frames = np.sqrt(np.mean(samples.reshape(-1, RATE // 100).astype(float) ** 2, axis=1))
    steady = frames > 0.5 * np.median(frames[loud])
    assert 20 * np.log10(np.sqrt(np.mean(frames[steady] ** 2))) == pytest.approx(-20, abs=0.5)
    beginnings = np.flatnonzero(loud[1:] & ~loud[:-1])
    bursts_per_cycle = max(1, sum(1 for _, f in CADENCES[name] if not f))
    if beginnings.size:
        period_s = np.mean(np.diff(beginnings[::bursts_per_cycle])) / 100
        assert period_s == pytest.approx(cycle, abs=0.02)


@pytest.mark.parametrize("name", CADENCES)
def test_even_the_shortest_clip_holds_some_of_the_tone(name):
    for seed in range(10):
        assert rms_dbfs(tone(name, 2, seed)) > -40
