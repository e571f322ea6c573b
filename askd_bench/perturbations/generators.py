"""Noises made by formula. Each is a function of length, rate and generator and has an rms of about one; the caller sets the level.

Shaped noises are made in the frequency domain: white Gaussian noise times the square root of the wanted power spectrum, so that the
spectrum is exact in expectation. scipy.fft runs with its single worker and gives the same bits every time.
"""

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

Noise = NDArray[np.float64]

LOWEST_HZ = 20.0
"""Pink noise stops here: below hearing, where 1/f would otherwise put 40 % of a clip's power."""

THIRD_OCTAVES_HZ = np.array(
    [63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000], dtype=np.float64
)
LTASS_DB = np.array(
    [38.6, 43.5, 54.4, 57.7, 56.8, 60.2, 60.3, 59.0, 62.1, 62.1, 60.5, 56.8, 53.7, 53.0, 52.0, 48.7, 48.1, 46.8, 45.6, 44.5, 44.3, 43.7]
)
"""Long-term average speech spectrum, men and women combined, dB SPL per third octave at 70 dB overall.

Source: Byrne et al., An international comparison of long-term average speech spectra, JASA 96 (1994) 2108-2120, table II.
"""
HOTH_DB = np.array([45.9, 45.5, 44.9, 44.1, 43.6, 43.1, 42.3, 41.7, 41.2, 40.4, 39.7, 39.3, 38.7, 37.8, 37.2, 36.5, 34.8, 33.2, 30.4, 26.0])
"""Room noise after Hoth, dB SPL per third octave from 100 Hz at 50 dBA. Source: IEEE 269; ITU-T P.800 Annex A."""

IMPULSES_PER_S = 6.0
HUM_HARMONICS = 20


def _shaped(num_samples: int, sampling_rate: int, rng: np.random.Generator, power: Callable[[Noise], Noise]) -> Noise:
    """Return Gaussian noise whose power spectrum is `power(frequencies_hz)`, scaled to an expected rms of one."""
    # At least a second is made and then cut, so that short clips have the same spectrum and no length is slow for the FFT.
    length = scipy.fft.next_fast_len(max(num_samples, sampling_rate), real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(length))
    shape = power(scipy.fft.rfftfreq(length, 1 / sampling_rate))
    shaped: Noise = scipy.fft.irfft(spectrum * np.sqrt(shape / np.mean(shape)), length)
    return shaped[:num_samples]


def _from_third_octaves(centres_hz: Noise, levels_db: Noise) -> Callable[[Noise], Noise]:
    """Return the power density that joins third-octave levels: linear in dB over log frequency, steep (24 dB/octave) outside the table."""
    density_db = levels_db - 10 * np.log10(centres_hz)  # a third octave is as wide as its centre frequency times a constant

    def power(frequencies_hz: Noise) -> Noise:
        safe = np.maximum(frequencies_hz, 1e-3)
        octaves_outside = np.maximum(0, np.log2(centres_hz[0] / safe)) + np.maximum(0, np.log2(safe / centres_hz[-1]))
        joined: Noise = 10 ** ((np.interp(np.log(safe), np.log(centres_hz), density_db) - 24 * octaves_outside) / 10)
        return joined

    return power


def white(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return Gaussian noise with a flat spectrum."""
    return rng.standard_normal(num_samples)


def pink(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return Gaussian noise whose power density falls as 1/f (3.01 dB an octave) from 20 Hz up; nothing below."""

    def power(frequencies_hz: Noise) -> Noise:
        inside: Noise = (frequencies_hz >= LOWEST_HZ) / np.maximum(frequencies_hz, LOWEST_HZ)
        return inside

    return _shaped(num_samples, sampling_rate, rng, power)


def speech_shaped(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return Gaussian noise with the long-term average spectrum of speech (`LTASS_DB`)."""
    return _shaped(num_samples, sampling_rate, rng, _from_third_octaves(THIRD_OCTAVES_HZ, LTASS_DB))


def low_frequency(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return Gaussian noise like the rumble in a driving car: power density flat up to 80 Hz, falling by 12 dB an octave above.

    A formula, no recording: it has the slope of car cabins, and nothing of their tones, wind or indicators.
    """

    def power(frequencies_hz: Noise) -> Noise:
        rumble: Noise = 1 / (1 + (frequencies_hz / 80.0) ** 4)
        return rumble

    return _shaped(num_samples, sampling_rate, rng, power)


def room_tone(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return Gaussian noise with the spectrum of a quiet office, Hoth noise (`HOTH_DB`)."""
    return _shaped(num_samples, sampling_rate, rng, _from_third_octaves(THIRD_OCTAVES_HZ[2:], HOTH_DB))


def hum(num_samples: int, sampling_rate: int, rng: np.random.Generator, *, mains_hz: int = 50) -> Noise:
    """Return mains hum: the mains frequency, off by at most 0.1 %, and harmonics up to the 20th with amplitude 1/k and random phases."""
    frequency = mains_hz * (1 + rng.uniform(-1e-3, 1e-3))
    phases = rng.uniform(0, 2 * np.pi, HUM_HARMONICS)
    fundamental = np.exp(2j * np.pi * (frequency / sampling_rate) * np.arange(num_samples))
    total, harmonic = np.zeros(num_samples), np.ones(num_samples, dtype=np.complex128)
    for k, phase in enumerate(phases, start=1):
        harmonic *= fundamental
        total += (harmonic.real * np.sin(phase) + harmonic.imag * np.cos(phase)) / k
    return total


def impulsive(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return clicks and knocks: a Poisson process of six events a second, at least one.

    Each is a burst of white noise that decays exponentially with a time constant drawn log-uniformly from 0.5 to 30 ms, its amplitude
    log-normal with a spread of 3 dB.
    """
    count = max(1, int(rng.poisson(IMPULSES_PER_S * num_samples / sampling_rate)))
    starts = rng.integers(0, num_samples, count)
    decays_s = np.exp(rng.uniform(np.log(0.5e-3), np.log(30e-3), count))
    gains = 10 ** (rng.normal(0, 3, count) / 20)
    total = np.zeros(num_samples)
    for start, decay_s, gain in zip(starts, decays_s, gains, strict=True):
        length = min(num_samples - int(start), int(7 * decay_s * sampling_rate) + 1)
        envelope = np.exp(-np.arange(length) / (decay_s * sampling_rate))
        total[start : start + length] += gain * envelope * rng.standard_normal(length)
    return total


def breath(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return breathing close to the microphone: bursts of noise with a broad peak near 1 kHz, swelling and dying as a raised cosine.

    A breath cycle lasts 3 to 5 s (12-20 breaths a minute): inhaling 0.8-1.4 s, a short rest, exhaling 1.2-2 s at 3 to 6 dB less, a rest.
    The cycle begins at a random moment.
    """
    envelope = np.zeros(num_samples)
    position = -int(rng.uniform(0, 1.0) * sampling_rate)
    while position < num_samples:
        for duration_s, gain in ((rng.uniform(0.8, 1.4), 1.0), (rng.uniform(1.2, 2.0), 10 ** (rng.uniform(-6, -3) / 20))):
            length = int(duration_s * sampling_rate)
            swell = gain * np.sin(np.pi * np.arange(length) / length) ** 2
            first, last = max(0, position), min(num_samples, position + length)
            if last > first:
                envelope[first:last] = swell[first - position : last - position]
            position += length + int(rng.uniform(0.2, 0.5) * sampling_rate)
    octaves_hz = np.array([125, 250, 500, 1000, 2000, 4000, 8000], dtype=np.float64)
    shape = _from_third_octaves(octaves_hz, np.array([-24.0, -12, -4, 0, -3, -9, -18]))
    return envelope * _shaped(num_samples, sampling_rate, rng, shape)
