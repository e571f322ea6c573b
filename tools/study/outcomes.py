"""The outcomes of a study, and differences of arms in them: means over seeds, on the same resamples."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.stats import t as student_t

from askd_bench.metrics.bootstrap import Array, percentile_interval
from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.metric import Metric
from askd_bench.metrics.significance import ALPHA, POWER
from study.measurements import INHERITED, PLAIN, SCALED, WORDS, Measurements


@dataclass(frozen=True, slots=True)
class Outcome:
    """A metric, and the statistics that it is computed on."""

    metric: Metric
    family: str = PLAIN

    @property
    def label(self) -> str:
        """Heading of its column."""
        return self.metric.long_label


def _outcome(name: str, family: str = PLAIN) -> Outcome:
    metric = METRICS[name]
    assert isinstance(metric, Metric)
    return Outcome(metric, family)


WER = _outcome("wer")
CAPPED = _outcome("wer_capped")
DEGRADATION = _outcome("capped_degradation")
INSERTIONS = _outcome("insertion_rate")
DELETIONS = _outcome("deletion_rate")
INVENTED = _outcome("invented_words_per_minute")
CONFIDENT = _outcome("confident_errors_0.7", WORDS)
SUBSTITUTED = _outcome("confident_substitutions", WORDS)
ECE = _outcome("ece", WORDS)
GAP = _outcome("overconfidence_gap", WORDS)
CONFIDENT_SCALED = _outcome("confident_errors_0.7_scaled", SCALED)
ECE_SCALED = _outcome("ece_scaled", SCALED)
GAP_SCALED = _outcome("overconfidence_gap_scaled", SCALED)
INHERITANCE = _outcome("inheritance_excess", INHERITED)
INHERITED_SHARE = _outcome("inherited", INHERITED)
CHANGED = _outcome("changed_share", INHERITED)
MENDED = _outcome("mended_share", INHERITED)
NEW = _outcome("new_errors", INHERITED)
CONFIDENT_INHERITANCE = _outcome("confident_inheritance_excess", INHERITED)
FATES = (INHERITED_SHARE, CHANGED, MENDED, NEW)
"""What becomes of a teacher's errors, and what is added to them."""

PRIMARY = (WER, CONFIDENT, INHERITANCE)
WITHOUT_LOOPS = {WER: CAPPED, CONFIDENT: SUBSTITUTED}
"""Primary outcomes that a single loop can carry -> the same question asked so that it cannot."""


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
        interval: 95 %, over the clusters of the domain, for these trainings; None where it cannot be had.
        over_seeds: 95 % by Student's t over the seeds' own differences, for other trainings; None for fewer than two seeds.
        p: two-sided bootstrap p-value. error: standard error, by which `detectable` goes.
    """

    value: float
    seeds: tuple[float, ...]
    interval: tuple[float, float] | None
    p: float | None
    error: float | None

    @property
    def over_seeds(self) -> tuple[float, float] | None:
        """See above."""
        n = len(self.seeds)
        if n < 2:
            return None
        reach = float(student_t.ppf(1 - ALPHA / 2, n - 1)) * float(np.std(self.seeds, ddof=1)) / n**0.5
        return self.value - reach, self.value + reach

    def detectable(self, tests: int = 1) -> float | None:
        """Return the smallest difference that would be significant four times in five, where `tests` are corrected for (Holm's first)."""
        normal = NormalDist()
        return None if self.error is None else (normal.inv_cdf(1 - ALPHA / tests / 2) + normal.inv_cdf(POWER)) * self.error

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
    interval = percentile_interval(samples.mean(axis=0), around=value if outcome.metric.centre else None) if samples.size else None
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
    seeds_own = tuple(map(float, own))
    drawn = (sides[0][1] - sides[1][1]).mean(axis=0) if sides[0][1].size else np.empty(0)
    interval = percentile_interval(drawn, around=value if outcome.metric.centre else None)
    if interval is None:
        return Difference(value=value, seeds=seeds_own, interval=None, p=None, error=None)
    samples = drawn[np.isfinite(drawn)]
    if outcome.metric.centre:
        samples = samples + (value - samples.mean())
    tail = min(int(np.sum(samples <= 0)), int(np.sum(samples >= 0)))
    p = min(1.0, 2 * (tail + 1) / (len(samples) + 1))
    return Difference(value=value, seeds=seeds_own, interval=interval, p=p, error=float(samples.std()))


def _spread(models: Sequence[str], seeds: int) -> Sequence[str]:
    return models[:seeds] if len(models) >= seeds else [models[0]] * seeds


def _values(measurements: Measurements, models: Sequence[str], domain: str, outcome: Outcome) -> tuple[list[float], Array] | None:
    """Return each model's value, and shape (models, resamples) of its resamples."""
    formula = outcome.metric.formula
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
