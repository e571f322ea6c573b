"""What a metric of one set of utterances is: statistics that add, a formula of their sums, and when it has no value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import FEW_CLUSTERS, NO_VARIATION, UNDEFINED, Formula, Resampled, ratio
from askd_bench.metrics.estimate import Estimate

Statistics = Mapping[str, NDArray[np.generic]]
"""Name -> shape (num_utterances,) or (num_utterances, bins): what is added up over utterances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named figure of a set of utterances.

    Attributes:
        name: key in summaries.
        meaning: one line.
        unit: of the value.
        better: the direction of better.
        count: the statistic that is reported as n.
        formula: from sums to value, vectorised; NaN where undefined.
        needs: (statistic, least sum, reason) triples: below the least sum, the value is None for that reason.
        centre: the interval is corrected for the bootstrap's bias, then cut to `bounds`.
        bounds: the least and the largest value there can be.
    """

    name: str
    meaning: str
    unit: str
    better: Literal["lower", "higher", "zero", "neither"]
    count: str
    formula: Formula
    needs: tuple[tuple[str, float, str], ...] = ()
    centre: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def estimate(self, resampled: Resampled, *, exact: float | None = None) -> Estimate:
        """Return the value with its interval, or the reason why there is none.

        `exact`: the value itself, where the formula (on binned sums) only approximates it; the interval is then centred on it.
        """
        n = int(resampled.total[self.count])
        for statistic, least, reason in self.needs:
            if float(resampled.total[statistic]) < least:
                return Estimate.absent(reason, n=n, unit=self.unit)
        value = float(self.formula(resampled.total)) if exact is None else exact
        if not np.isfinite(value):
            return Estimate.absent("undefined on these utterances", n=n, unit=self.unit)
        interval = resampled.interval(self.formula, around=value if self.centre or exact is not None else None)
        if interval is None:
            return Estimate(value=value, n=n, unit=self.unit, reason=UNDEFINED if resampled.samples else FEW_CLUSTERS)
        if interval[0] == interval[1]:
            return Estimate(value=value, n=n, unit=self.unit, reason=NO_VARIATION)
        low, high = (min(max(end, self.bounds[0]), self.bounds[1]) for end in interval)
        return Estimate(value=value, low=low, high=high, n=n, unit=self.unit)


def ratio_of(numerator: str, denominator: str, *, factor: float = 1.0) -> Formula:
    """Return the formula factor * numerator / denominator."""
    return lambda sums: factor * ratio(sums[numerator], sums[denominator])
