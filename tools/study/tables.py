"""The tables of a study, as Markdown."""

from collections.abc import Sequence
from itertools import combinations

from askd_bench.errors import UserError
from askd_bench.metrics.significance import ALPHA, holm
from study.measurements import Measurements
from study.outcomes import PRIMARY, Difference, Figure, Outcome, difference, figure
from study.plan import SHIFTED, TEACHER

DASH = "–"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is aligned to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def outcome_table(measurements: Measurements, outcomes: Sequence[Outcome], domain: str) -> str:
    """Return one row an arm, one column an outcome: mean over seeds, and the range of the seeds where there are several."""
    arms = _arms(measurements)
    rows = [
        [_name(arm, models), *(figure_text(figure(measurements, models, domain, one), one) for one in outcomes)] for arm, models in arms
    ]
    return markdown(["arm", *(one.label for one in outcomes)], rows)


def domain_table(measurements: Measurements, outcome: Outcome, domains: Sequence[str]) -> str:
    """Return one row an arm, one column a domain."""
    arms = _arms(measurements)
    rows = [
        [_name(arm, models), *(figure_text(figure(measurements, models, one, outcome), outcome) for one in domains)] for arm, models in arms
    ]
    return markdown([f"{outcome.label}: arm", *domains], rows)


def primary_differences(measurements: Measurements) -> list[tuple[Outcome, Difference, float | None]]:
    """Return the primary outcomes with the difference of the primary arms on shifted speech and its p-value after Holm's correction.

    Raises:
        UserError: one cannot be had: fewer outcomes would be corrected for less.
    """
    first, second = (measurements.plan.arms[arm] for arm in measurements.plan.primary)
    found = []
    for one in PRIMARY:
        delta = difference(measurements, first, second, SHIFTED, one)
        if delta is None:
            raise UserError(f"results: {one.label} of {' or '.join(measurements.plan.primary)} cannot be had, and the verdict needs it")
        found.append((one, delta))
    corrected = holm([delta.p for _, delta in found])
    return [(one, delta, p) for (one, delta), p in zip(found, corrected, strict=True)]


def shown(delta: Difference, p: float | None) -> bool:
    """The rule of the verdict: significant after correction, and all seeds agree."""
    return p is not None and p < ALPHA and delta.agree


def verdict_table(measurements: Measurements) -> str:
    """Return the primary comparison: difference, interval, corrected p, each seed's own, what could have been found, verdict."""
    first, second = measurements.plan.primary
    rows = []
    for one, delta, p in primary_differences(measurements):
        seeds, detectable = delta.over_seeds, delta.detectable(len(PRIMARY))
        rows.append(
            [
                one.label,
                difference_text(delta, one),
                _p(p),
                ", ".join(_number(seed, one, signed=True) for seed in delta.seeds),
                DASH if seeds is None else interval_text(seeds, one),
                DASH if detectable is None else _number(detectable, one),
                f"**shown**: {first} {'lower' if delta.value < 0 else 'higher'}" if shown(delta, p) else "not shown",
            ]
        )
    header = ["difference", "p (Holm)", "each seed", "over seeds, 95 % (t)", "at least detectable", "verdict"]
    return markdown([f"{first} − {second}, shifted speech", *header], rows)


def contrast_table(measurements: Measurements, pairs: Sequence[tuple[str, str]], outcomes: Sequence[Outcome], domain: str) -> str:
    """Return differences of pairs of arms, the first minus the second, with intervals, over the seeds both have."""
    arms = dict(_arms(measurements))
    rows = []
    for first, second in pairs:
        found = [difference(measurements, arms[first], arms[second], domain, one) for one in outcomes]
        rows.append([f"{first} − {second}", *(difference_text(delta, one) for delta, one in zip(found, outcomes, strict=True))])
    return markdown([f"difference, {domain}", *(one.label for one in outcomes)], rows)


def domain_contrasts(measurements: Measurements, pair: tuple[str, str], outcomes: Sequence[Outcome], domains: Sequence[str]) -> str:
    """Return the differences of two arms, a row a domain."""
    arms = dict(_arms(measurements))
    rows = []
    for domain in domains:
        found = [difference(measurements, arms[pair[0]], arms[pair[1]], domain, one) for one in outcomes]
        rows.append([domain, *(difference_text(delta, one) for delta, one in zip(found, outcomes, strict=True))])
    return markdown([f"{pair[0]} − {pair[1]}", *(one.label for one in outcomes)], rows)


def seed_spread(measurements: Measurements, outcome: Outcome, domain: str) -> str:
    """Return, for arms of several seeds, how far two trainings that differ in nothing but the seed lie apart."""
    rows = []
    for arm, models in _arms(measurements):
        one = figure(measurements, models, domain, outcome)
        if one is None or len(one.seeds) < 2:
            continue
        largest = max(abs(a - b) for a, b in combinations(one.seeds, 2))
        rows.append([arm, ", ".join(_number(seed, outcome) for seed in one.seeds), _number(largest, outcome)])
    return markdown([f"{outcome.label}, {domain}: arm", "each seed", "largest difference"], rows)


def temperature_table(measurements: Measurements) -> str:
    """Return the fitted temperatures, each seed's own."""
    rows = []
    for arm, models in _arms(measurements):
        fits = [measurements.fit(model) for model in models]
        cells = [DASH if fit.temperature is None else f"{fit.temperature:g}{'*' if fit.at_edge else ''}" for fit in fits]
        rows.append([arm, ", ".join(cells), ", ".join(str(fit.n) for fit in fits)])
    return markdown(["arm", "temperature of each seed", "dev words"], rows)


def _arms(measurements: Measurements) -> list[tuple[str, tuple[str, ...]]]:
    return [(TEACHER, (measurements.plan.teacher,)), *measurements.plan.arms.items()]


def _name(arm: str, models: Sequence[str]) -> str:
    return f"{arm} ({len(models)} seeds)" if len(models) > 1 else arm


def _number(value: float, outcome: Outcome, *, signed: bool = False) -> str:
    return f"{outcome.metric.factor * value:{'+' if signed else ''}.{outcome.metric.long_digits}f}"


def figure_text(one: Figure | None, outcome: Outcome) -> str:
    """Return a figure, and the range of its seeds where there are several."""
    if one is None:
        return DASH
    text = _number(one.value, outcome)
    if len(one.seeds) < 2:
        return text
    return f"{text} ({_number(min(one.seeds), outcome)} to {_number(max(one.seeds), outcome)})"


def difference_text(delta: Difference | None, outcome: Outcome) -> str:
    """Return a difference with its interval."""
    if delta is None:
        return DASH
    text = _number(delta.value, outcome, signed=True)
    return text if delta.interval is None else f"{text} {interval_text(delta.interval, outcome)}"


def interval_text(interval: tuple[float, float], outcome: Outcome) -> str:
    """Return an interval of differences."""
    low, high = (_number(end, outcome, signed=True) for end in interval)
    return f"[{low}, {high}]"


def _p(p: float | None) -> str:
    return DASH if p is None else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"
