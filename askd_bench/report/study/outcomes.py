"""The outcomes of a study, and differences of arms in them: means over seeds, on the same resamples."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from askd_bench.metrics import calibration, hallucination, inheritance, word_errors
from askd_bench.metrics.bootstrap import Array, percentile_interval
from askd_bench.metrics.significance import ALPHA, POWER
from askd_bench.report.study.measured import INHERITED, PLAIN, SCALED, WORDS, Measurements

_METRICS = {metric.name: metric for module in (word_errors, hallucination, calibration, inheritance) for metric in module.METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One figure.

    Attributes:
        label: heading of its column.
        metric: name of the metric. family: which statistics it is computed on.
        factor, digits: a number is shown as `factor` times its value with that many decimals.
        centre: differences are corrected for the bootstrap's bias (calibration errors, which resampling inflates).
    """

    label: str
    metric: str
    family: str = PLAIN
    factor: float = 1.0
    digits: int = 1
    centre: bool = False


WER = Outcome(label="WER %", metric="wer", factor=100)
MER = Outcome(label="MER %", metric="mer", factor=100)
INSERTIONS = Outcome(label="insertions %", metric="insertion_rate", factor=100)
DELETIONS = Outcome(label="deletions %", metric="deletion_rate", factor=100)
INVENTED = Outcome(label="invented words a minute", metric="invented_words_per_minute", digits=1)
CONFIDENT = Outcome(label="confident errors per 100", metric="confident_errors_0.7", family=WORDS, digits=2)
ECE = Outcome(label="ECE", metric="ece", family=WORDS, digits=3, centre=True)
GAP = Outcome(label="over-confidence", metric="overconfidence_gap", family=WORDS, digits=3)
CONFIDENT_SCALED = Outcome(label="confident errors per 100, scaled", metric="confident_errors_0.7", family=SCALED, digits=2)
ECE_SCALED = Outcome(label="ECE, scaled", metric="ece", family=SCALED, digits=3, centre=True)
GAP_SCALED = Outcome(label="over-confidence, scaled", metric="overconfidence_gap", family=SCALED, digits=3)
INHERITANCE = Outcome(label="inheritance", metric="inheritance_excess", family=INHERITED, digits=3)
INHERITED_SHARE = Outcome(label="inherited %", metric="inherited", family=INHERITED, factor=100)
CONFIDENT_INHERITANCE = Outcome(label="confident inheritance", metric="confident_inheritance_excess", family=INHERITED, digits=3)

PRIMARY = (WER, CONFIDENT, INHERITANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An arm's figure: the mean of its seeds', with each seed's own, and the interval of the mean (None where there is none)."""

    value: float
    seeds: tuple[float, ...]
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """First arm minus second.

    Attributes:
        value: difference of the means over the seeds both have.
        seeds: each seed's own difference.
        interval: 95 %, over the clusters of the domain; None where it cannot be had.
        p: two-sided bootstrap p-value. detectable: the smallest difference that would be found four times in five.
    """

    value: float
    seeds: tuple[float, ...]
    interval: tuple[float, float] | None
    p: float | None
    detectable: float | None

    @property
    def agree(self) -> bool:
        """Whether all seeds differ in the same direction."""
        return all(seed > 0 for seed in self.seeds) or all(seed < 0 for seed in self.seeds)


def figure(measurements: Measurements, models: Sequence[str], domain: str, outcome: Outcome) -> Figure | None:
    """Return the figure of an arm over a domain; None where one of its models has none."""
    one = _values(measurements, models, domain, outcome)
    if one is None:
        return None
    seeds, samples = one
    value = float(np.mean(seeds))
    interval = percentile_interval(samples.mean(axis=0), around=value if outcome.centre else None) if samples.size else None
    return Figure(value=value, seeds=tuple(seeds), interval=interval)


def difference(measurements: Measurements, first: Sequence[str], second: Sequence[str], domain: str, outcome: Outcome) -> Difference | None:
    """Compare two arms over the seeds both have; an arm of one model that is no student, the teacher, is compared with every seed.

    None where one of the models has no such figure.
    """
    seeds = min(len(first), len(second)) if measurements.plan.teacher not in (*first, *second) else max(len(first), len(second))
    sides = [_values(measurements, _spread(models, seeds), domain, outcome) for models in (first, second)]
    if sides[0] is None or sides[1] is None:
        return None
    own = np.asarray(sides[0][0]) - np.asarray(sides[1][0])
    value = float(own.mean())
    if not sides[0][1].size:
        return Difference(value=value, seeds=tuple(map(float, own)), interval=None, p=None, detectable=None)
    samples = (sides[0][1] - sides[1][1]).mean(axis=0)
    samples = samples[np.isfinite(samples)]
    if outcome.centre:
        samples = samples + (value - samples.mean())
    tail = min(int(np.sum(samples <= 0)), int(np.sum(samples >= 0)))
    normal = NormalDist()
    return Difference(
        value=value,
        seeds=tuple(map(float, own)),
        interval=percentile_interval(samples),
        p=min(1.0, 2 * (tail + 1) / (len(samples) + 1)),
        detectable=(normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) * float(samples.std()),
    )


def _spread(models: Sequence[str], seeds: int) -> Sequence[str]:
    return models[:seeds] if len(models) >= seeds else [models[0]] * seeds


def _values(measurements: Measurements, models: Sequence[str], domain: str, outcome: Outcome) -> tuple[list[float], Array] | None:
    """Return each model's value, and shape (models, resamples) of its resamples."""
    formula = _METRICS[outcome.metric].formula
    values, samples = [], []
    for model in models:
        resampled = measurements.resampled(model, domain, outcome.family)
        if resampled is None:
            return None
        value = float(formula(resampled.total))
        if not np.isfinite(value):
            return None
        values.append(value)
        samples.append(np.asarray(formula(resampled.samples)) if resampled.samples else np.empty(0))
    return values, np.stack(samples)
