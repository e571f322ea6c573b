"""Room impulse responses: where the direct sound is, how long the room rings, how strong the direct sound is, and how speech sounds in it.

Throughout, `response` is an impulse response: float, shape (num_samples,).
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Response = NDArray[np.float32]

DIRECT_S = 0.0025
"""What arrives within this time of the direct peak counts as direct sound."""
DECAY_DB = (-5.0, -25.0)
"""Where on the decay curve the slope is read: T20 of ISO 3382-1."""


@dataclass(frozen=True, slots=True)
class RoomResponse:
    """An impulse response whose direct sound peaks at sample `direct`, and what was measured on it.

    Attributes:
        response: float32.
        direct: index of the direct peak; what comes before is the onset of its interpolation filter.
        rt60_s: seconds to fall by 60 dB, see `measure_rt60`; None where the decay is too short to tell.
        drr_db: direct-to-reverberant ratio, see `measure_drr`; None where nothing follows the direct sound.
    """

    response: Response
    direct: int
    rt60_s: float | None
    drr_db: float | None


def analyse(response: NDArray[np.floating], *, direct: int, sampling_rate: int) -> RoomResponse:
    """Return the response in float32 with its measures, which are taken on just that."""
    response = response.astype(np.float32)
    return RoomResponse(
        response,
        direct,
        measure_rt60(response, direct=direct, sampling_rate=sampling_rate),
        measure_drr(response, direct=direct, sampling_rate=sampling_rate),
    )


def find_direct(response: NDArray[np.floating], *, sampling_rate: int) -> int:
    """Return the sample of the direct peak: the highest within 2.5 ms of the onset.

    The onset is where the response first comes within 20 dB of its highest peak (ISO 3382-1, 5.3.2.2): an early reflection may be louder
    than the direct sound, but does not come before it.
    """
    magnitude = np.abs(response)
    onset = int(np.argmax(magnitude >= 0.1 * magnitude.max()))
    return onset + int(np.argmax(magnitude[onset : onset + round(DIRECT_S * sampling_rate) + 1]))


def decay_time(energies: NDArray[np.floating], *, step_s: float) -> float | None:
    """Return the time in which energy falls by 60 dB, read between -5 and -25 dB of Schroeder's decay curve.

    The curve is the backward sum of `energies`; a straight line is fitted to its level by least squares.
    Source: M. R. Schroeder, JASA 37 (1965) 409-412; ISO 3382-1 (T20).

    Args:
        energies: shape (num_steps,), from the direct sound on.
        step_s: seconds from one to the next.

    Returns:
        Seconds; None where the curve has fewer than three points in that range.
    """
    remaining = np.cumsum(energies[::-1], dtype=np.float64)[::-1]
    remaining = remaining[remaining > 0]
    if remaining.size == 0:
        return None
    curve_db = 10 * np.log10(remaining / remaining[0])
    inside = np.flatnonzero((curve_db <= DECAY_DB[0]) & (curve_db >= DECAY_DB[1]))
    if inside.size < 3 or curve_db[-1] > DECAY_DB[1]:
        return None
    times = (inside - inside.mean()) * step_s
    slope = float(np.sum(times * curve_db[inside]) / np.sum(times * times))
    return -60 / slope if slope < 0 else None


def measure_rt60(response: NDArray[np.floating], *, direct: int, sampling_rate: int) -> float | None:
    """Return the reverberation time in seconds over all frequencies, see `decay_time`.

    >>> response = np.exp(-6.9078 * np.arange(16000) / 8000)  # falls by 60 dB in half a second
    >>> round(measure_rt60(response, direct=0, sampling_rate=16000), 3)
    0.5
    """
    return decay_time(np.square(response[direct:], dtype=np.float64), step_s=1 / sampling_rate)


def measure_drr(response: NDArray[np.floating], *, direct: int, sampling_rate: int) -> float | None:
    """Return the energy up to 2.5 ms after the direct peak against all later energy, in dB; None where there is none."""
    end = direct + round(DIRECT_S * sampling_rate) + 1
    early, late = (float(np.sum(np.square(part, dtype=np.float64))) for part in (response[:end], response[end:]))
    return float(10 * np.log10(early / late)) if early > 0 and late > 0 else None


def reverberate(samples: NDArray[np.floating], room: RoomResponse) -> NDArray[np.float64]:
    """Return the samples as heard in the room: float64, same length, the direct sound where it was; the tail after the end is cut."""
    wet: NDArray[np.float64] = scipy.signal.oaconvolve(samples.astype(np.float64), room.response.astype(np.float64))
    return wet[room.direct : room.direct + samples.size]


def reverberate_steady(samples: NDArray[np.floating], room: RoomResponse) -> NDArray[np.float64]:
    """Return only the part for which the room was already ringing: shorter than `samples` by the length of the response less one."""
    wet: NDArray[np.float64] = scipy.signal.oaconvolve(samples.astype(np.float64), room.response.astype(np.float64))
    return wet[room.response.size - 1 : samples.size]
