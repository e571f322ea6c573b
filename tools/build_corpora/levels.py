"""How loud a corpus is, and how much of it was clipped before it came to us."""

from pathlib import Path

import numpy as np
import soundfile

from askd_bench.audio import read_audio
from askd_bench.types import Samples

FRAME_SAMPLES = 400
ACTIVE_RANGE_DB = 35.0
CLIPPED, RUN_SAMPLES = 0.99, 3


def active_level_dbfs(samples: Samples) -> float:
    """Return the level of the 25 ms frames that lie within 35 dB of the loudest, in dB relative to full scale.

    >>> round(active_level_dbfs(np.tile(np.float32([0.1, -0.1]), 8000)), 2)
    -20.0
    """
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = np.maximum(np.square(frames, dtype=np.float64).mean(axis=1), 1e-12)
    active = power[power >= power.max() * 10 ** (-ACTIVE_RANGE_DB / 10)]
    return float(10 * np.log10(active.mean()))


def is_clipped(samples: Samples) -> bool:
    """Whether three samples or more in a row stand at full scale; `samples` at the rate of the recording.

    >>> is_clipped(np.float32([0, 1, 1, 0, 1])), is_clipped(np.float32([0, 1, 1, -1, 0]))
    (False, True)
    """
    full = np.abs(samples) >= CLIPPED
    return bool(np.convolve(full, np.ones(RUN_SAMPLES), "valid").max(initial=0) == RUN_SAMPLES)


def summary(recordings: list[Path]) -> dict[str, float]:
    """Return the 5th, 50th and 95th percentile of the active level (dBFS, rounded to 0.1) and the number of clipped recordings."""
    low, middle, high = np.percentile([active_level_dbfs(read_audio(path)) for path in recordings], [5, 50, 95])
    native = (read_audio(path) if path.suffix == ".g722" else soundfile.read(path, dtype="float32")[0] for path in recordings)
    return {
        "active_dbfs_p5": round(float(low), 1),
        "active_dbfs_median": round(float(middle), 1),
        "active_dbfs_p95": round(float(high), 1),
        "clipped_recordings": sum(map(is_clipped, native)),
    }
