"""ITU-T P.56 method B as the standard writes it, sample by sample: an outside reading for what the code measures in one pass."""

import itertools
import math


def active_level_dbfs(samples, *, sampling_rate=16_000, steps_per_octave=1):
    """Return the active speech level: thresholds from 2^-15 up, counters with hangover, bisection at 15.9 dB.

    The standard's thresholds are a factor of two apart (one step an octave); more steps leave less to interpolation.
    """
    decay = math.exp(-1 / (sampling_rate * 0.03))
    hangover = round(0.2 * sampling_rate)
    thresholds = [2.0 ** (-15 + j / steps_per_octave) for j in range(15 * steps_per_octave)]
    counts, hangs = [0] * len(thresholds), [hangover] * len(thresholds)
    p = q = energy = 0.0
    for value in samples.tolist():
        energy += value * value
        p = decay * p + (1 - decay) * abs(value)
        q = decay * q + (1 - decay) * p
        for j, threshold in enumerate(thresholds):
            if q >= threshold:
                counts[j] += 1
                hangs[j] = 0
            elif hangs[j] < hangover:
                counts[j] += 1
                hangs[j] += 1
            else:
                break  # the higher thresholds are idle too
    points = [(10 * math.log10(energy / n), 20 * math.log10(c)) for n, c in zip(counts, thresholds, strict=True) if n]
    for below, above in itertools.pairwise(points):
        if above[0] - above[1] <= 15.9:
            return _bisect(*below, *above)
    raise AssertionError("no threshold is 15.9 dB under the active level")


def _bisect(active_low, threshold_low, active_high, threshold_high):
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        active = active_low + middle * (active_high - active_low)
        threshold = threshold_low + middle * (threshold_high - threshold_low)
        low, high = (middle, high) if active - threshold > 15.9 else (low, middle)
    return active
