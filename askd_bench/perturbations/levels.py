"""Levels of speech and noise in decibels relative to full scale (an rms of 1.0 is 0 dBFS).

The level of speech is its *active* level after ITU-T P.56 (12/2011) method B: pauses do not count, so that padding a clip with silence
does not change what "10 dB SNR" means. P.56 is the meter that telephony's -26 dBov refers to, and it adapts its threshold to each clip,
which a fixed energy gate does not. The level of noise is its rms over the whole clip.

All sums are numpy's pairwise sums in float64: no BLAS, whose result may depend on the number of threads.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from askd_bench.types import SAMPLING_RATE

TIME_CONSTANT_S = 0.03
"""Of each of the two smoothing stages of the envelope (P.56, T)."""
HANGOVER_S = 0.2
"""How long a sound stays active after its envelope fell under the threshold (P.56, H)."""
MARGIN_DB = 15.9
"""The active level is this much above the activity threshold (P.56, M)."""
NOMINAL_LEVEL_DBFS = -26.0
"""The customary speech level of telephony test material (ITU-T P.830), taken where a clip holds no speech to measure."""
_FLOOR_DBFS = -100.0
"""Under this a clip is called silent: it is below the quantising noise of 16 bits (-101 dBFS)."""

Audio = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SpeechLevel:
    """What the P.56 meter reads.

    Attributes:
        active_dbfs: level while someone speaks; None for silence.
        activity: share of the time that counts as active, in [0, 1].
    """

    active_dbfs: float | None
    activity: float


def mean_square(samples: Audio) -> float:
    """Return the mean of the squared samples, summed pairwise in float64; 0.0 for an empty array."""
    return float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0


def rms_dbfs(samples: Audio) -> float:
    """Return the level of the whole clip in dBFS; -inf for digital silence.

    >>> round(rms_dbfs(np.full(100, 0.1)), 9)
    -20.0
    """
    power = mean_square(samples)
    return 10 * math.log10(power) if power > 0 else -math.inf


def amplitude(level_db: float) -> float:
    """Return the factor that changes a level by `level_db`.

    >>> amplitude(20.0)
    10.0
    """
    return float(10 ** (level_db / 20))


def speech_level(samples: Audio, *, sampling_rate: int = SAMPLING_RATE) -> SpeechLevel:
    """Measure the active speech level after ITU-T P.56 method B.

    The envelope is |x| through two one-pole smoothers. For each threshold c the activity time a(c) is the number of samples whose
    envelope reached c now or within the hangover, and A(c) = 10 lg(energy / a(c)) the level if only that time counted. The active level
    is A where A(c) - 20 lg c = 15.9 dB, interpolated between thresholds.

    Source: ITU-T P.56 (12/2011), clause 7. We differ in two ways, which move the reading by less than 0.2 dB: thresholds are 1.5 dB apart
    instead of 6.02 dB, so that less is left to interpolation; and they are placed relative to the peak of the envelope, so that the
    reading moves exactly with the gain and faint clips can be read.

    Args:
        samples: float, shape (num_samples,), in [-1, 1].
        sampling_rate: Hz.

    Returns:
        The level and the activity; level None and activity 0 below -100 dBFS.
    """
    power = mean_square(samples)
    if power <= 10 ** (_FLOOR_DBFS / 10):
        return SpeechLevel(active_dbfs=None, activity=0.0)
    decay = math.exp(-1 / (sampling_rate * TIME_CONSTANT_S))
    envelope = np.abs(samples, dtype=np.float64)
    for _ in range(2):
        envelope = scipy.signal.lfilter([1 - decay], [1, -decay], envelope)
    # The trailing maximum over the hangover reaches c exactly when the envelope did within it: one pass serves every threshold.
    hangover = max(1, round(HANGOVER_S * sampling_rate))
    held = scipy.ndimage.maximum_filter1d(envelope, size=hangover + 1, mode="constant", cval=0.0, origin=hangover // 2)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(held)) + 1])  # it stands still for most of the time: count its runs
    runs = np.diff(starts, append=held.size)
    thresholds_db = 20 * math.log10(float(held.max())) - np.arange(0.0, 90.0, 1.5)
    reached = np.searchsorted(10 ** (thresholds_db[::-1] / 20), held[starts], side="right")
    active = np.cumsum(np.bincount(reached, weights=runs, minlength=thresholds_db.size + 1)[:0:-1])
    levels_db = 10 * np.log10(power * held.size / np.maximum(active, 1))
    margins_db = levels_db - thresholds_db
    # As P.56 does, from the lowest threshold up to the first that is too close; the topmost may be reached by no sample but a rounding.
    close = np.flatnonzero(margins_db < MARGIN_DB)
    above = min(int(close[-1]) + 1, margins_db.size - 1) if close.size else 0
    if above == 0:
        level_db = float(levels_db[0])
    else:
        low, high = float(margins_db[above - 1]), float(margins_db[above])
        weight = (MARGIN_DB - low) / (high - low)
        level_db = float(levels_db[above - 1] + weight * (levels_db[above] - levels_db[above - 1]))
    level_db = max(level_db, 10 * math.log10(power))  # never below the whole clip's level: activity is at most 1
    return SpeechLevel(active_dbfs=level_db, activity=float(power / 10 ** (level_db / 10)))
