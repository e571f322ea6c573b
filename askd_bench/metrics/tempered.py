r"""Confidence at any temperature, from those that rows store at a few.

Conventions:
    - At inverse temperature $\beta = 1/T$ a token of logit $z_c$ has log-odds $-\ln \sum_{j \ne c} e^{\beta (z_j - z_c)}$: smooth, concave,
      and a straight line where one rival is left. A natural cubic spline in $\beta$ goes through the log-odds of the stored temperatures.
    - Log-probabilities have five digits, so that a confidence within `CERTAIN` of 1 has no log-odds of its own: it counts as 1 - `CERTAIN`.
    - Words are interpolated after their tokens are combined. Where another token becomes a word's least certain one, its curve has a kink,
      which the spline rounds off.
    - At least `MIN_STORED` temperatures are needed (1 is one of them), neighbours at most a factor of `WIDEST_STEP` apart; else there are
      confidences at the stored ones alone.
"""

from collections.abc import Collection
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from askd_bench.metrics.items import Items

CERTAIN = 5e-6
IMPOSSIBLE = 1e-12
MIN_STORED = 5
WIDEST_STEP = 2.0


def why_not_between(temperatures: Collection[float]) -> str | None:
    """Return why there are no confidences between these temperatures, None where there are."""
    if len(temperatures) < MIN_STORED:
        return f"confidences are stored at {len(temperatures)} temperatures: fewer than {MIN_STORED}"
    low, high = max(pairwise(sorted(temperatures)), key=lambda step: step[1] / step[0])
    if high / low > WIDEST_STEP:
        return f"confidences are stored at temperatures {low:g} and {high:g} and at none between: more than a factor of {WIDEST_STEP:g}"
    return None


def confidence_at(items: Items, temperature: float) -> NDArray[np.float64]:
    """Return each item's confidence had the logits been divided by `temperature`.

    Returns:
        float64, shape (num_items,); NaN for an item that lacks one of the stored temperatures, and for all of them where the temperature is
        not stored and not between stored ones, see `why_not_between`.
    """
    stored = {1.0: items.confidence, **items.tempered}
    if temperature in stored:
        return stored[temperature]
    if why_not_between(stored) or not min(stored) < temperature < max(stored):
        return np.full(len(items.correct), np.nan)
    grid = sorted(stored, reverse=True)
    weights = spline_weights(1 / np.array(grid), 1 / temperature)
    # a sum in a fixed order, the same to the bit on every processor
    log_odds = sum((weight * _log_odds(stored[t]) for t, weight in zip(grid, weights, strict=True)), np.zeros(len(items.correct)))
    confidence: NDArray[np.float64] = scipy.special.expit(log_odds)
    return confidence


def spline_weights(knots: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    """Return what each knot's value counts for in the natural cubic spline's value at `at`: a spline is linear in its values.

    >>> spline_weights(np.array([0.0, 1.0, 2.0]), 1.0).round(9).tolist()
    [0.0, 1.0, 0.0]
    """
    weights: NDArray[np.float64] = scipy.interpolate.CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(at)
    return weights


def _log_odds(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    log_odds: NDArray[np.float64] = scipy.special.logit(np.clip(confidence, IMPOSSIBLE, 1 - CERTAIN))
    return log_odds
