"""What a telephone lets through: linear-phase filters whose delay is taken out."""

from functools import lru_cache
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

Band = Literal["handset", "narrow", "wide"]

NARROW_HZ = (300.0, 3400.0)
"""The telephone band, after ITU-T G.712: -3 dB at both edges, more than 14 dB down at 4 kHz."""
WIDE_HZ = (50.0, 7000.0)
"""The wide band, after ITU-T P.341 and G.722."""

_HANDSET_HZ = np.array([100.0, 125, 160, 200, 250, 300, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 3400, 4000, 5000])
_HANDSET_DB = np.array([-28.1, -21.0, -13.5, -9.6, -6.6, -4.8, -3.3, -2.6, -2.2, -1.2, 0, 1.4, 3.2, 3.6, 5.0, 5.8, 4.3, 0.2, -5.3])
"""How a handset sends: modified intermediate reference system, ITU-T P.830 Annex D, dB against 1 kHz, as the filter of the ITU-T software
tool library (G.191) measures. It rises by 9 dB from 400 Hz to 3.1 kHz."""

_NUM_TAPS = 1023


@lru_cache(maxsize=8)
def band_filter(band: Band, sampling_rate: int) -> NDArray[np.float64]:
    """Return the symmetric impulse response of a band, odd in length.

    Around each edge the amplitude is a quarter of a sine, 0 at edge - width, 1/sqrt(2) at the edge and 1 at edge + width (mirrored at the
    upper edge); the width is 100 Hz, and 50 Hz at the lower edge of the wide band.

    Args:
        band: narrow (300-3400 Hz), handset (narrow behind a modified IRS send characteristic) or wide (50-7000 Hz).
        sampling_rate: Hz, more than 14200.
    """
    (low, high), low_width = (WIDE_HZ, 50.0) if band == "wide" else (NARROW_HZ, 100.0)
    hz = np.arange(0, sampling_rate / 2 + 1, 5.0)
    rise, fall = (hz - low) / low_width, (high - hz) / 100.0
    gain = np.sin(np.pi / 4 * (1 + np.clip(np.minimum(rise, fall), -1, 1)))
    if band == "handset":
        gain = gain * 10 ** (np.interp(np.log(np.maximum(hz, 1)), np.log(_HANDSET_HZ), _HANDSET_DB) / 20)
    taps: NDArray[np.float64] = scipy.signal.firwin2(_NUM_TAPS, hz, gain, fs=sampling_rate, nfreqs=2**14 + 1)
    taps.setflags(write=False)
    return taps


def limit_band(samples: NDArray[np.floating], *, band: Band, sampling_rate: int) -> NDArray[np.float64]:
    """Return the samples through the band's filter: float64, same length, no delay."""
    taps = band_filter(band, sampling_rate)
    filtered: NDArray[np.float64] = scipy.signal.oaconvolve(samples.astype(np.float64), taps)
    return filtered[taps.size // 2 : taps.size // 2 + samples.size]
