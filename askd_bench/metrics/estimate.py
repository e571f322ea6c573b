"""A measured value with its interval, or the reason why there is none."""

import math
from dataclasses import dataclass

DIGITS = 6
"""Decimal digits kept in files, so that summaries are small and stable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value is either a finite number or None with a reason: never 0 for "unknown", never NaN.

    Attributes:
        value: the point estimate on all items, or None.
        low: lower end of the 95 % interval, None where there is no interval (see `reason` when value is there too).
        high: upper end of the 95 % interval.
        n: how many items (reference words, hypothesis words, utterances...: the metric says which) the value rests on.
        unit: e.g. "errors per reference word".
        reason: why `value` (or the interval) is None; None when both are there.

    >>> Estimate(value=0.25, low=0.2, high=0.3, n=400, unit="errors per reference word").as_dict()
    {'value': 0.25, 'low': 0.2, 'high': 0.3, 'n': 400, 'unit': 'errors per reference word', 'reason': None}
    >>> Estimate.absent("no reference words").value is None
    True
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    unit: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            raise ValueError("an estimate without a value needs a reason")
        if any(x is not None and not math.isfinite(x) for x in (self.value, self.low, self.high)):
            raise ValueError(f"an estimate holds finite numbers or None, not {self.value}, {self.low}, {self.high}")

    @classmethod
    def absent(cls, reason: str, *, n: int = 0, unit: str = "") -> "Estimate":
        """Return an estimate without a value, saying why."""
        return cls(value=None, n=n, unit=unit, reason=reason)

    def as_dict(self) -> dict[str, float | int | str | None]:
        """Return a JSON-ready dict, floats rounded to `DIGITS`."""
        return {
            "value": rounded(self.value),
            "low": rounded(self.low),
            "high": rounded(self.high),
            "n": self.n,
            "unit": self.unit,
            "reason": self.reason,
        }


def rounded(x: float | None) -> float | None:
    """Round to `DIGITS`, None and non-finite numbers to None, and -0.0 to 0.0.

    >>> rounded(0.12345678), rounded(float("nan")), rounded(-1e-9)
    (0.123457, None, 0.0)
    """
    return None if x is None or not math.isfinite(x) else round(float(x), DIGITS) + 0.0
