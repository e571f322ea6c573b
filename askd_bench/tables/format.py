"""How a value is written: the only place where figures, intervals and p-values become text."""

from collections.abc import Mapping
from typing import Any

from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.metric import Quantity
from askd_bench.metrics.significance import P_VALUE
from askd_bench.tables.model import DASH, MINUS, Cell, Column


def number(value: float, *, factor: float = 1.0, digits: int = 1, signed: bool = False) -> str:
    """Return `factor` times a number with that many decimals, never "-0.0".

    >>> number(-0.0312, factor=100), number(0.5, digits=3, signed=True), number(-0.01)
    ('−3.1', '+0.500', '0.0')
    """
    rounded = round(factor * value, digits) + 0.0
    return f"{rounded:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def interval(low: float, high: float, *, factor: float = 1.0, digits: int = 1, signed: bool = False) -> str:
    """Return an interval in brackets.

    >>> interval(-0.01, 0.25, factor=100)
    '[−1.0, 25.0]'
    """
    ends = (number(end, factor=factor, digits=digits, signed=signed) for end in (low, high))
    return f"[{', '.join(ends)}]"


def p_value(p: float | None) -> str:
    """Return a p-value with three decimals and no leading zero, as APA style has it.

    >>> p_value(0.0312), p_value(0.0004), p_value(1.0), p_value(None)
    ('.031', '< .001', '1', '–')
    """
    if p is None:
        return DASH
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"


def cell(
    quantity: Quantity,
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    reason: str = "",
    long: bool = False,
) -> Cell:
    """Return a value as its quantity is written, with its interval where both ends are known.

    Args:
        quantity: what it is.
        value, low, high: as they are stored, before the quantity's factor.
        reason: why there is no value.
        long: with the decimals of the long label.
    """
    if value is None:
        return Cell(reason=reason)
    if quantity.unit == P_VALUE:
        return Cell(text=p_value(value), sort=value)
    digits = quantity.long_digits if long else quantity.digits
    text = number(value, factor=quantity.factor, digits=digits, signed=quantity.signed)
    if low is None or high is None:
        return Cell(text=text, sort=float(value), reason=reason)
    ends = interval(low, high, factor=quantity.factor, digits=digits, signed=quantity.signed)
    return Cell(text=text, sort=float(value), interval=ends, folded=not quantity.interval, reason=reason)


def estimate_cell(quantity: Quantity, estimate: Estimate | None) -> Cell:
    """Return an estimate as its quantity is written, with the reason where there is none."""
    if estimate is None:
        return Cell(reason="not measured")
    return cell(quantity, estimate.value, estimate.low, estimate.high, reason=estimate.reason or "")


def record_cell(quantity: Quantity, record: Mapping[str, Any]) -> Cell:
    """Return a quantity's value in a row of a frame, where ends of intervals are under `NAME_low` and `NAME_high`."""
    value, low, high = (_known(record.get(f"{quantity.key}{end}")) for end in ("", "_low", "_high"))
    return cell(quantity, value, *((low, high) if quantity.interval else ()))


def column(quantity: Quantity, *, long: bool = False) -> Column:
    """Return the column of a quantity."""
    better = {"lower": "; lower is better", "higher": "; higher is better", "zero": "; 0 is best"}.get(quantity.better, "")
    label = quantity.long_label if long else quantity.label
    return Column(label=label, meaning=f"{quantity.meaning}{better}", priority=quantity.priority)


def _known(value: Any) -> float | None:
    """Return a number of a frame, None where it is missing: None, NaN or pandas' NA."""
    try:
        found = float(value)
    except TypeError:
        return None
    return None if found != found else found
