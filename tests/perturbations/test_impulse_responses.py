import numpy as np
import pyroomacoustics
import pytest

from askd_bench.perturbations.impulse_responses import analyse, find_direct, measure_drr, measure_rt60, reverberate, reverberate_steady

RATE = 16_000


def noisy_decay(rt60_s: float, *, seconds: float = 1.5, seed: int = 0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return np.random.default_rng(seed).standard_normal(time.size) * 10 ** (-3 * time / rt60_s)


@pytest.mark.parametrize("rt60_s", [0.2, 0.5, 0.9])
def test_reverberation_time_of_decaying_noise_is_that_of_its_envelope(rt60_s: float) -> None:
    assert measure_rt60(noisy_decay(rt60_s), direct=0, sampling_rate=RATE) == pytest.approx(rt60_s, rel=0.05)


@pytest.mark.parametrize("rt60_s", [0.3, 0.7])
def test_reverberation_time_agrees_with_pyroomacoustics(rt60_s: float) -> None:
    """Its meter draws the line through the two ends of the 20 dB where ours fits all points between them."""
    response = noisy_decay(rt60_s, seed=1)
    theirs = pyroomacoustics.experimental.measure_rt60(response, fs=RATE, decay_db=20)
    assert measure_rt60(response, direct=0, sampling_rate=RATE) == pytest.approx(theirs, rel=0.03)


def test_drr_counts_two_and_a_half_milliseconds_as_direct() -> None:
    response = np.zeros(1000)
    response[[100, 140, 141]] = 2.0, 1.0, 1.0  # 40 samples are 2.5 ms: the last one is late
    assert measure_drr(response, direct=100, sampling_rate=RATE) == pytest.approx(10 * np.log10(5))


def test_what_cannot_be_measured_is_none() -> None:
    one = np.eye(1, 500, 10)[0]
    assert measure_rt60(one, direct=10, sampling_rate=RATE) is None
    assert measure_drr(one, direct=10, sampling_rate=RATE) is None
    assert measure_rt60(np.zeros(10), direct=0, sampling_rate=RATE) is None


def test_direct_sound_is_found_before_a_louder_reflection() -> None:
    response = np.random.default_rng(0).standard_normal(2000) * 1e-3
    response[300], response[480] = -0.5, 1.0
    assert find_direct(response, sampling_rate=RATE) == 300


def test_direct_sound_stays_where_it_was_and_length_too() -> None:
    speech = np.random.default_rng(0).standard_normal(3000)
    room = analyse(np.eye(1, 200, 41)[0] + 0.25 * np.eye(1, 200, 141)[0], direct=41, sampling_rate=RATE)
    wet = reverberate(speech, room)
    assert wet.shape == speech.shape
    assert wet[:100] == pytest.approx(speech[:100])
    assert wet[100:] == pytest.approx(speech[100:] + 0.25 * speech[:-100])


def test_steady_part_is_that_of_a_room_that_rang_before() -> None:
    noise = np.random.default_rng(0).standard_normal(5000)
    room = analyse(np.array([1.0, 0.5, 0.25]), direct=0, sampling_rate=RATE)
    assert reverberate_steady(noise, room) == pytest.approx(noise[2:] + 0.5 * noise[1:-1] + 0.25 * noise[:-2])
