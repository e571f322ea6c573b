"""Speed (tempo and pitch together), tempo alone, pitch alone. Alignment with the input means nothing after these."""

from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.types import Samples

Signal = NDArray[np.float64]

FRAME, HOP = 512, 128
"""Of the phase vocoder, in samples: torchaudio's, which Speech Robust Bench uses."""


def faster(samples: Signal, factor: float) -> Signal:
    """Resample so that the clip plays `factor` times as fast: shorter and higher by that factor."""
    import soxr

    length = max(1, int(samples.size / factor + 0.5))
    resampled = np.asarray(soxr.resample(samples, 1.0, 1 / factor, quality="VHQ"))
    return np.pad(resampled, (0, max(0, length - resampled.size)))[:length]


class Speed(Perturbation):
    """Play faster or slower by resampling (soxr VHQ): duration is divided by `factor` and all frequencies are multiplied by it."""

    factor: float = Field(ge=0.25, le=4)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip at another speed."""
        return Perturbed(faster(samples.astype(np.float64), self.factor).astype(np.float32))


class Tempo(Perturbation):
    """Talk faster or slower at the same pitch, by overlapping segments where their waveforms are most alike (WSOLA).

    Segments of `segment_ms` are taken every `factor x (segment - overlap)` samples, each from the position within the search range whose
    first `overlap` samples differ least, in squares, from the end of the segment before, and cross-faded linearly over the overlap.
    Search range and overlap are SoX's shares of the segment (1/5.587 and 1/6.833).

    Source: Verhelst and Roelands, An overlap-add technique based on waveform similarity, ICASSP 1993; parameters of SoX's `tempo`.

    Attributes:
        factor: above 1 is faster; the duration is divided by it.
        segment_ms: 30 in Speech Robust Bench.
    """

    factor: float = Field(ge=0.25, le=4)
    segment_ms: float = Field(30.0, ge=10, le=120)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip at another tempo."""
        segment = int(sampling_rate * self.segment_ms / 1000 + 0.5)
        search = int(sampling_rate * self.segment_ms / 5.587 / 1000 + 0.5)
        overlap = int(max(sampling_rate * self.segment_ms / 6.833 / 1000 + 4.5, 16)) & ~7
        if 2 * overlap > segment:
            overlap -= 8
        return Perturbed(_wsola(samples.astype(np.float64), self.factor, segment, search, overlap).astype(np.float32))


def _wsola(samples: Signal, factor: float, segment: int, search: int, overlap: int) -> Signal:
    length = max(1, int(samples.size / factor + 0.5))
    advance = segment - overlap
    segments = -(-length // advance) + 1
    needed = int(factor * segments * advance) + segment + search + overlap
    padded = np.concatenate([np.zeros(search // 2), samples, np.zeros(max(0, needed - samples.size))])
    fade_in = np.arange(overlap) / overlap
    stretched = np.zeros(segments * advance + overlap)
    tail = np.zeros(overlap)
    for index in range(segments):
        start = int(factor * index * advance + 0.5)
        if index == 0:
            start += search // 2
            head = padded[start : start + overlap]
        else:
            windows = np.lib.stride_tricks.sliding_window_view(padded[start : start + search - 1 + overlap], overlap)
            start += int(np.argmin(np.sum(np.square(windows - tail), axis=1))) if search > 0 else 0
            head = tail * (1 - fade_in) + padded[start : start + overlap] * fade_in
        at = index * advance
        stretched[at : at + overlap] = head
        stretched[at + overlap : at + advance] = padded[start + overlap : start + advance]
        tail = padded[start + advance : start + segment]
    return stretched[:length]


class Pitch(Perturbation):
    """Shift the pitch at the same duration: a phase vocoder stretches the clip by the ratio, resampling brings it back.

    Source: Laroche and Dolson, New phase-vocoder techniques, WASPAA 1999, without phase locking; frame 512, hop 128, Hann, as in
    torchaudio's PitchShift. We differ from it in the resampler (soxr VHQ) and in padding the ends with zeros.

    Attributes:
        semitones: 12 to the octave.
        direction: up or down.
    """

    semitones: float = Field(ge=0, le=24)
    direction: Literal["up", "down"]

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip at another pitch, as long as before."""
        ratio = 2 ** ((self.semitones if self.direction == "up" else -self.semitones) / 12)
        stretched = _phase_vocoder(samples.astype(np.float64), 1 / ratio)
        shifted = faster(stretched, ratio)
        return Perturbed(np.pad(shifted, (0, max(0, samples.size - shifted.size)))[: samples.size].astype(np.float32))


def _phase_vocoder(samples: Signal, rate: float) -> Signal:
    """Return the clip `1 / rate` times as long at the same pitch.

    Output frame k takes its magnitudes from the input at frame `k rate`, interpolated between neighbours, and advances each bin's phase by
    the phase step measured there.
    """
    window = np.hanning(FRAME + 1)[:-1]
    edge = FRAME // 2
    padded = np.pad(samples, (edge, edge))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    spectra = scipy.fft.rfft(frames * window, axis=1)
    positions = np.arange(0, spectra.shape[0], rate)
    spectra = np.concatenate([spectra, np.zeros((2, spectra.shape[1]), dtype=spectra.dtype)])
    left = positions.astype(np.int64)
    weight = (positions - left)[:, None]
    magnitudes = np.abs(spectra)
    magnitude = (1 - weight) * magnitudes[left] + weight * magnitudes[left + 1]
    expected = 2 * np.pi * HOP / FRAME * np.arange(spectra.shape[1])
    angles = np.angle(spectra)
    step = angles[left + 1] - angles[left] - expected
    step = step - 2 * np.pi * np.round(step / (2 * np.pi)) + expected
    phase = angles[0] + np.concatenate([np.zeros((1, step.shape[1])), np.cumsum(step[:-1], axis=0)])
    rebuilt = scipy.fft.irfft(magnitude * np.exp(1j * phase), FRAME, axis=1) * window
    total = np.zeros(HOP * (len(rebuilt) - 1) + FRAME)
    weights = np.zeros_like(total)
    for k, frame in enumerate(rebuilt):
        total[k * HOP : k * HOP + FRAME] += frame
        weights[k * HOP : k * HOP + FRAME] += window**2
    total /= np.maximum(weights, 1e-8)
    return total[edge : edge + round(samples.size / rate)]
