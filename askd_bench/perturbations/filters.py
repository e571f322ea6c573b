"""Band limits with linear phase and tone controls with shelves.

Cut-offs and shelves follow what SoX's `sinc`, `treble` and `bass` document, which Speech Robust Bench uses.
"""

import math
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from askd_bench.errors import UserError
from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.types import Samples

STOP_BAND_DB = 120.0
TRANSITION = 0.05
"""Width of the transition band as a share of the Nyquist frequency, centred on the cut-off."""


def _linear_phase(samples: Samples, sampling_rate: int, frequency_hz: float, *, pass_zero: bool) -> NDArray[np.float32]:
    """Apply a Kaiser-windowed FIR filter, 6 dB down at `frequency_hz`, without delay and without changing the length."""
    if frequency_hz >= sampling_rate / 2:
        raise UserError(f"frequency_hz: {frequency_hz:g} is not below half the sampling rate ({sampling_rate / 2:g})")
    taps, beta = scipy.signal.kaiserord(STOP_BAND_DB, TRANSITION)
    kernel = scipy.signal.firwin(taps | 1, frequency_hz, window=("kaiser", beta), pass_zero=pass_zero, fs=sampling_rate)
    middle = kernel.size // 2
    filtered = scipy.signal.fftconvolve(samples.astype(np.float64), kernel)[middle : middle + samples.size]
    return np.asarray(filtered, dtype=np.float32)


class LowPass(Perturbation):
    """Linear-phase low-pass: 6 dB down at `frequency_hz`, 120 dB from 200 Hz above it (at 16 kHz)."""

    frequency_hz: float = Field(gt=0)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip without what is above the cut-off."""
        return Perturbed(_linear_phase(samples, sampling_rate, self.frequency_hz, pass_zero=True))


class HighPass(Perturbation):
    """Linear-phase high-pass: 6 dB down at `frequency_hz`, 120 dB from 200 Hz below it (at 16 kHz)."""

    frequency_hz: float = Field(gt=0)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip without what is below the cut-off."""
        return Perturbed(_linear_phase(samples, sampling_rate, self.frequency_hz, pass_zero=False))


def shelf(
    kind: Literal["low", "high"], gain_db: float, frequency_hz: float, sampling_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numerator and denominator of a second-order shelf with slope S = 0.5, normalised to a0 = 1.

    Source: R. Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients (W3C note, 2021).
    """
    a = 10 ** (gain_db / 40)
    w0 = 2 * math.pi * frequency_hz / sampling_rate
    alpha = math.sin(w0) / 2 * math.sqrt((a + 1 / a) * (1 / 0.5 - 1) + 2)
    root = 2 * math.sqrt(a) * alpha
    cos = math.cos(w0) if kind == "low" else -math.cos(w0)
    sign = 1 if kind == "low" else -1  # the high shelf is the low shelf mirrored at a quarter of the sampling rate
    b = np.array([a * (a + 1 - (a - 1) * cos + root), sign * 2 * a * (a - 1 - (a + 1) * cos), a * (a + 1 - (a - 1) * cos - root)])
    c = np.array([a + 1 + (a - 1) * cos + root, sign * -2 * (a - 1 + (a + 1) * cos), a + 1 + (a - 1) * cos - root])
    return b / c[0], c / c[0]


def clipped(samples: NDArray[np.float64]) -> Perturbed:
    """Return the samples clipped at full scale and which share was."""
    over = int(np.count_nonzero(np.abs(samples) > 1))
    return Perturbed(np.clip(samples, -1, 1).astype(np.float32), {"clipped_percent": 100 * over / samples.size})


class Treble(Perturbation):
    """High shelf at 3 kHz, slope 0.5, clipping at full scale as a tone control into a fixed-point converter does.

    Attributes:
        gain_db: of the shelf.
        frequency_hz: its centre.
    """

    gain_db: float = Field(ge=-60, le=60)
    frequency_hz: float = Field(3000.0, gt=0, lt=8000)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip with its treble raised or lowered."""
        b, a = shelf("high", self.gain_db, self.frequency_hz, sampling_rate)
        return clipped(np.asarray(scipy.signal.lfilter(b, a, samples.astype(np.float64))))


class Bass(Perturbation):
    """Low shelf at 100 Hz, slope 0.5, clipping at full scale as a tone control into a fixed-point converter does.

    Attributes:
        gain_db: of the shelf.
        frequency_hz: its centre.
    """

    gain_db: float = Field(ge=-60, le=60)
    frequency_hz: float = Field(100.0, gt=0, lt=8000)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip with its bass raised or lowered."""
        b, a = shelf("low", self.gain_db, self.frequency_hz, sampling_rate)
        return clipped(np.asarray(scipy.signal.lfilter(b, a, samples.astype(np.float64))))
