r"""What a condition costs: degradation against clean speech, paired by utterance, and summaries over conditions.

Conventions:
    - Absolute degradation $= WER_c - WER_{clean}$ over the utterances that have a hypothesis under both; relative degradation divides it by
      $WER_{clean}$. The same clusters are resampled under both conditions: the interval is that of a paired difference.
    - Mean corruption-error ratio (never "MCE", which also means maximum calibration error): the mean over families of conditions of the
      model's summed WER over a reference model's, $\frac{1}{F}\sum_f \sum_s WER_{f,s} / \sum_s WER^{ref}_{f,s}$ (Hendrycks & Dietterich
      2019, with a reference model in AlexNet's place). Below 1: more robust than the reference.
    - Severity area: mean WER over a severity axis, the trapezoidal area under WER against severity divided by the axis' length.
    - Worst condition: the one with the highest WER.
    - WERD and NWERD after Speech Robust Bench (Shah et al. 2025): WERD is the mean absolute degradation in points, a gain counting as 0 as
      there; NWERD divides each by the condition's difficulty, a fixed number measured on audio (`srb_difficulty`). Normalising can favour
      models that are bad on clean speech: it is shown, never ranked by.
"""

from collections.abc import Mapping

import numpy as np

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Array, Clusters, Formula, Resampled, Sums, ratio, resample
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.metric import Metric, Quantity
from askd_bench.metrics.scoring import Scored

CLEAN = "clean"
"""Id of the condition that degradation is measured against."""

_BOTH = (
    ("words", 1, "no utterance has a hypothesis both here and in clean"),
    ("clean_words", 1, "no reference words"),
)


def _absolute(sums: Sums) -> Array:
    return ratio(sums["errors"] - sums["clean_errors"], sums["words"])


METRICS = (
    Metric(
        name="degradation",
        label="Δ clean",
        factor=100,
        signed=True,
        meaning="word error rate minus that on the same utterances in clean",
        unit="errors per reference word",
        better="lower",
        count="words",
        formula=_absolute,
        needs=_BOTH,
    ),
    Metric(
        name="relative_degradation",
        label="rel. Δ %",
        factor=100,
        digits=0,
        signed=True,
        meaning="degradation as a share of the word error rate in clean",
        unit="share of the clean rate",
        better="lower",
        count="words",
        formula=lambda sums: ratio(sums["errors"] - sums["clean_errors"], sums["clean_errors"]),
        needs=(*_BOTH, ("clean_errors", 1, "no error in clean to relate to")),
    ),
)


SEVERITY_AREA = Quantity(
    name="severity_area",
    label="WER % over the axis",
    meaning="mean word error rate over the severity axis",
    unit="errors per reference word",
    better="lower",
    factor=100,
)
MEAN_CORRUPTION_ERROR_RATIO = Quantity(
    name="mean_corruption_error_ratio",
    label="corruption-error ratio",
    meaning="word error rates summed over a family of conditions, over a reference model's; mean over families, below 1 is more robust",
    unit="ratio to the reference model",
    better="lower",
    digits=2,
)
WERD = Quantity(
    name="werd",
    label="WERD",
    meaning="mean degradation over conditions of Speech Robust Bench, a gain counting as 0",
    unit="percentage points",
    better="lower",
)
NWERD = Quantity(
    name="nwerd",
    label="NWERD",
    meaning="the same with each degradation divided by its condition's difficulty; never used for ranking",
    unit="percentage points per unit of difficulty",
    better="lower",
    digits=2,
)
QUANTITIES = (SEVERITY_AREA, MEAN_CORRUPTION_ERROR_RATIO, WERD, NWERD)
"""What sums up several conditions."""


def statistics(scored: Scored, condition: str, *, clean: str = CLEAN) -> dict[str, Array]:
    """Return what the metrics of this module add up: zero for utterances that are not in `condition`, or not transcribed in both.

    Args:
        scored: all conditions.
        condition: the degraded one.
        clean: the one to compare with.
    """
    here = (scored.condition == condition) & ~scored.failed
    before = np.flatnonzero((scored.condition == clean) & ~scored.failed)
    order = before[np.argsort(scored.utterance[before])]
    names = scored.utterance[order]
    at = np.searchsorted(names, scored.utterance)
    at = np.minimum(at, max(len(names) - 1, 0))
    paired = here & (names[at] == scored.utterance) if len(names) else np.zeros(len(scored), np.bool_)
    match = order[at] if len(names) else np.zeros(len(scored), np.int64)
    return {
        "errors": np.where(paired, scored.errors, 0).astype(np.float64),
        "words": np.where(paired, scored.reference_words, 0).astype(np.float64),
        "clean_errors": np.where(paired, scored.errors[match], 0).astype(np.float64),
        "clean_words": np.where(paired, scored.reference_words[match], 0).astype(np.float64),
    }


def condition_rates(scored: Scored, clusters: Clusters, *, resamples: int, seed: int = 0) -> tuple[list[str], Resampled]:
    """Return the conditions in sorted order, and "errors" and "words" of shape (..., conditions), resampled together."""
    names, index = np.unique(scored.condition, return_inverse=True)
    member = np.zeros((len(scored), len(names)))
    member[np.arange(len(scored)), index] = ~scored.failed
    blocks = {"errors": member * scored.errors[:, None], "words": member * scored.reference_words[:, None]}
    blocks["all_words"] = blocks["words"].sum(axis=1)
    return [str(name) for name in names], resample(blocks, clusters, resamples=resamples, seed=seed)


def severity_area_of(severities: Mapping[str, float], conditions: list[str]) -> Formula:
    """Return the formula of the severity area over "errors" and "words" of shape (..., conditions).

    Args:
        severities: condition -> severity, at least two different ones, all among `conditions`; severity may fall (SNR) or rise.
        conditions: the order of the last axis.

    Raises:
        UserError: an unknown condition, or fewer than two severities.
    """
    missing = sorted(set(severities) - set(conditions))
    if missing:
        raise UserError(f"severities: {', '.join(missing)} are not among the conditions {', '.join(conditions)}")
    axis = sorted(severities.items(), key=lambda item: item[1])
    x = np.array([severity for _, severity in axis])
    if len(x) < 2 or np.any(np.diff(x) == 0):
        raise UserError(f"severities: {dict(axis)} are not at least two different values")
    columns = np.array([conditions.index(name) for name, _ in axis])
    weights = np.zeros(len(x))
    weights[:-1] += np.diff(x) / 2
    weights[1:] += np.diff(x) / 2
    weights /= x[-1] - x[0]

    def formula(sums: Sums) -> Array:
        area: Array = ratio(sums["errors"][..., columns], sums["words"][..., columns]) @ weights
        return area

    return formula


def severity_area(scored: Scored, severities: Mapping[str, float], clusters: Clusters, *, resamples: int, seed: int = 0) -> Estimate:
    """Return the mean WER over a severity axis with its interval; see `severity_area_of`."""
    conditions, resampled = condition_rates(scored, clusters, resamples=resamples, seed=seed)
    return SEVERITY_AREA.measured(count="all_words", formula=severity_area_of(severities, conditions)).estimate(resampled)


def mean_corruption_error_ratio(
    rates: Mapping[str, float | None],
    reference_rates: Mapping[str, float | None],
    *,
    families: Mapping[str, str] | None = None,
) -> Estimate:
    """Return the mean corruption-error ratio against a reference model (no interval: the reference's own noise is not known here).

    Args:
        rates: condition -> WER of the model, clean left out.
        reference_rates: condition -> WER of the reference model under the very same conditions.
        families: condition -> family (e.g. its noise type); None makes each condition its own family.

    >>> mean_corruption_error_ratio({"a": 0.25, "b": 0.75}, {"a": 0.5, "b": 0.5}).value
    1.0
    """
    unit = MEAN_CORRUPTION_ERROR_RATIO.unit
    if rates.keys() != reference_rates.keys():
        differing = sorted(rates.keys() ^ reference_rates.keys())
        return Estimate.absent(f"the reference model was not run under the same conditions: {', '.join(differing)}", unit=unit)
    sums: dict[str, list[float]] = {}
    for condition, rate in rates.items():
        reference = reference_rates[condition]
        if rate is None or reference is None:
            return Estimate.absent(f"no word error rate under {condition}", unit=unit)
        family = sums.setdefault(families.get(condition, condition) if families else condition, [0.0, 0.0])
        family[0] += rate
        family[1] += reference
    if not sums:
        return Estimate.absent("no condition besides clean", unit=unit)
    if any(reference == 0 for _, reference in sums.values()):
        return Estimate.absent("the reference model makes no error in one family of conditions", unit=unit)
    value = float(np.mean([mine / reference for mine, reference in sums.values()]))
    return Estimate(value=value, n=len(sums), unit=unit, reason="no interval: the reference model's rates are taken as given")


def werd(degradations: Mapping[str, float]) -> Estimate:
    """Return Speech Robust Bench's WERD: the mean over conditions of WER minus clean WER, a gain counting as 0, in percentage points.

    >>> werd({"gnoise-1": 0.1, "echo-1": 0.3, "bass-1": -0.1}).value
    13.333333333333334
    """
    unit = WERD.unit
    if not degradations:
        return Estimate.absent("no condition besides clean", unit=unit)
    value = 100 * float(np.mean([max(x, 0.0) for x in degradations.values()]))
    return Estimate(value=value, n=len(degradations), unit=unit, reason="no interval: a mean over conditions, see each one's degradation")


def nwerd(degradations: Mapping[str, float], difficulty: Mapping[str, float]) -> Estimate:
    """Return Speech Robust Bench's NWERD: the mean over conditions of degradation (in points, a gain counting as 0) per difficulty.

    Args:
        degradations: condition -> WER minus clean WER.
        difficulty: condition -> difficulty, see `askd_bench.metrics.srb_difficulty`.

    Returns:
        The estimate; None with the reason where a difficulty is missing or not positive.
    """
    unit = NWERD.unit
    missing = sorted(degradations.keys() - difficulty.keys())
    if missing or not degradations:
        return Estimate.absent(f"no difficulty for {', '.join(missing)}" if missing else "no condition besides clean", unit=unit)
    if any(difficulty[name] <= 0 for name in degradations):
        return Estimate.absent("a difficulty is not positive", unit=unit)
    value = 100 * float(np.mean([max(x, 0.0) / difficulty[name] for name, x in degradations.items()]))
    return Estimate(value=value, n=len(degradations), unit=unit, reason="no interval; never used for ranking")


def worst_condition(rates: Mapping[str, float | None]) -> str | None:
    """Return the condition with the highest rate, the first by name among equals; None without rates."""
    known = {name: rate for name, rate in rates.items() if rate is not None}
    return min(known, key=lambda name: (-known[name], name)) if known else None
