"""Severity axes: which conditions of a suite differ in strength alone, in which order, and what the strength is."""

from collections.abc import Sequence
from dataclasses import dataclass

from askd_bench.report.page.sections import Section
from askd_bench.signature import ConditionAxis
from askd_bench.suites import Condition

_UNITS = {"db": "dB", "dbfs": "dBFS", "s": "s", "ms": "ms", "hz": "Hz", "percent": "%", "kbps": "kbit/s"}
_NAMES = {"snr": "SNR", "rt60": "RT60"}
UNNAMED = "severity"


@dataclass(frozen=True, slots=True)
class Axis:
    """Conditions of one family from mild to harsh, their severities as text, and what these are, e.g. "SNR, dB"."""

    family: str
    name: str
    conditions: tuple[str, ...]
    severities: tuple[str, ...]


def axes_of(section: Section) -> list[Axis]:
    """Return the axes of the conditions that have a family and a severity, in the suite's order; each has one condition or more.

    The direction is the suite's. Where the suite cannot be read again, it is the order of the conditions in the signature.
    """
    about: dict[str, ConditionAxis] = {}
    for entry in section.entries:
        about |= entry.signature.conditions
    families: dict[str, dict[str, float]] = {}
    for condition in section.conditions:
        family, severity = about[condition].family, about[condition].severity
        if family is not None and severity is not None:
            families.setdefault(family, {})[condition] = float(severity)
    axes = []
    for family, own in families.items():
        if len(set(own.values())) < len(own):  # two conditions of one strength: no axis
            continue
        ordered = sorted(own, key=lambda name: own[name]) if section.suite is not None else list(own)
        known = [c for c in section.suite.conditions.values() if c.family == family and c.severity is not None] if section.suite else []
        if known and known[0].severity_order == "descending":
            ordered.reverse()
        axes.append(Axis(family, _axis_name(known), tuple(ordered), tuple(f"{own[name]:g}" for name in ordered)))
    return axes


def _axis_name(conditions: Sequence[Condition]) -> str:
    """Return the parameter that has the severity as its value in every condition, with its unit."""
    if not conditions:
        return UNNAMED
    shared: set[str] | None = None
    for condition in conditions:
        matching = {
            name
            for step in condition.chain
            for name, value in step.model_dump().items()
            if isinstance(value, int | float) and not isinstance(value, bool) and float(value) == condition.severity
        }
        shared = matching if shared is None else shared & matching
    names = sorted(shared or ())
    return _spelled(names[0]) if len({c.severity for c in conditions}) > 1 and names else UNNAMED


def _spelled(parameter: str) -> str:
    *words, last = parameter.split("_")
    if not words:
        return _UNITS.get(last, last)
    name = " ".join(_NAMES.get(word, word) for word in words)
    return f"{name}, {_UNITS[last]}" if last in _UNITS else f"{name} {last}"
