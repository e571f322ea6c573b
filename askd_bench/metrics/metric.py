"""What a figure is called and how it is written; what a metric is: statistics that add, a formula of their sums, when it has no value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import FEW_CLUSTERS, NO_VARIATION, UNDEFINED, Formula, Resampled, ratio
from askd_bench.metrics.estimate import Estimate

Statistics = Mapping[str, NDArray[np.generic]]
"""Name -> shape (num_utterances,) or (num_utterances, bins): what is added up over utterances."""


Needs = tuple[tuple[str, float, str], ...]
Better = Literal["lower", "higher", "zero", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A figure that is shown somewhere: its name, what it means, and how every table writes it.

    Attributes:
        name: in summaries, frames and lists of columns.
        meaning: one line.
        unit: of the value.
        better: the direction of better.
        label: heading of its column, short; the name where none is given.
        long_label: heading where there is no legend beside it; the label where none is given.
        factor, digits: it is written as `factor` times its value with that many decimals.
        long_digits: decimals under the long label; `digits` where none are given.
        signed: written with a plus sign too, as differences are.
        interval: its interval is shown even where there is little room.
        priority: of its column in a terminal. 0: never left out; 1: not before intervals go below their figures; the higher, the sooner.
        key: what its value is stored under, where that is another figure's name.
    """

    name: str
    meaning: str
    unit: str
    better: Better = "neither"
    label: str = ""
    long_label: str = ""
    factor: float = 1.0
    digits: int = 1
    long_digits: int = -1
    signed: bool = False
    interval: bool = False
    priority: int = 2
    key: str = ""

    def __post_init__(self) -> None:
        label = self.label or self.name.replace("_", " ")
        digits = self.digits if self.long_digits < 0 else self.long_digits
        given = {"label": label, "long_label": self.long_label or label, "long_digits": digits, "key": self.key or self.name}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def measured(self, *, count: str, formula: Formula, **more: Any) -> "Metric":
        """Return the metric of this name on statistics of its own; see `Metric`."""
        own = {field.name: getattr(self, field.name) for field in fields(Quantity)}
        return Metric(**own, count=count, formula=formula, **more)

    def within(self, scope: str, *, label: str, meaning: str, key: str = "") -> Self:
        """Return this quantity of a part of what it is measured on, under a name of its own: `NAME_SCOPE`."""
        return replace(self, name=f"{self.name}_{scope}", label=label, long_label="", meaning=meaning, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Quantity):
    """A quantity of a set of utterances.

    Attributes:
        count: the statistic that is reported as n.
        formula: from sums to value, vectorised; NaN where undefined.
        needs: (statistic, least sum, reason) triples: below the least sum, the value is None for that reason.
        centre: the interval is corrected for the bootstrap's bias, then cut to `bounds`.
        bounds: the least and the largest value there can be.
    """

    count: str
    formula: Formula
    needs: Needs = ()
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
