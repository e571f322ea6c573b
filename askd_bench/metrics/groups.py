r"""Whom does the model serve worse: error rates by group of speakers.

Conventions:
    - A group is what the corpus says (an accent, a speaker); utterances without one are left out and counted.
    - Rates are pooled within a group. A group with fewer than `MIN_UTTERANCES` utterances or `MIN_WORDS` reference words gets no rate and
      takes no part in the comparisons: the worst of many tiny groups is noise.
    - Worst-group WER, spread (worst - best), log-ratio $\ln(worst / best)$. The largest of several noisy rates is biased upwards; the
      interval is shifted by the bootstrap's estimate of that bias. `log_ratio_to_rest` of a group: $\ln$ of its WER over that of all the
      others pooled.
    - Clusters within a group are its speakers from ten speakers up (over all groups), else its utterances.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import RESAMPLES, Array, Formula, Sums, clusters_of, ratio, resample
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.metric import Metric, Quantity
from askd_bench.metrics.scoring import Scored
from askd_bench.metrics.word_errors import WER

MIN_UTTERANCES = 20
MIN_WORDS = 100

WORST_WER = Quantity(
    name="worst_wer",
    label="worst WER %",
    meaning="word error rate of the group with the highest one",
    unit=WER.unit,
    better="lower",
    factor=100,
)
SPREAD = Quantity(
    name="spread",
    label="spread, points",
    meaning="word error rate of the worst group minus that of the best",
    unit=WER.unit,
    better="lower",
    factor=100,
)
LOG_RATIO = Quantity(
    name="log_ratio",
    label="log-ratio worst / best",
    meaning="ln of the worst group's word error rate over the best group's, corrected for the bias of picking extremes",
    unit="ln",
    better="lower",
    digits=2,
)
LOG_RATIO_TO_REST = Quantity(
    name="log_ratio_to_rest",
    label="log-ratio to the rest",
    meaning="ln of a group's word error rate over that of all other groups pooled",
    unit="ln",
    better="lower",
    digits=2,
)
BETWEEN = (WORST_WER, SPREAD, LOG_RATIO)
"""What compares groups, each the name of a field of `GroupTable`."""

QUANTITIES = (*BETWEEN, LOG_RATIO_TO_REST)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group: its size, its WER and how far it is from the others (a log-ratio; above 0 is worse)."""

    name: str
    utterances: int
    speakers: int
    wer: Estimate
    log_ratio_to_rest: Estimate


@dataclass(frozen=True, slots=True)
class GroupTable:
    """All groups by name, and the comparisons between those that are large enough."""

    groups: tuple[GroupRow, ...]
    worst: str | None
    worst_wer: Estimate
    spread: Estimate
    log_ratio: Estimate
    without_group: int

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict, floats rounded to six digits."""
        between = {one.name: getattr(self, one.name).as_dict() for one in BETWEEN}
        groups = {
            row.name: {
                "utterances": row.utterances,
                "speakers": row.speakers,
                "wer": row.wer.as_dict(),
                "log_ratio_to_rest": row.log_ratio_to_rest.as_dict(),
            }
            for row in self.groups
        }
        return {"groups": groups, "worst": self.worst, **between, "without_group": self.without_group}


def group_table(
    scored: Scored,
    *,
    by: Literal["group", "speaker"] = "group",
    min_utterances: int = MIN_UTTERANCES,
    min_words: int = MIN_WORDS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> GroupTable:
    """Return error rates by group (or by speaker); utterances without a hypothesis are left out."""
    labels = scored.group if by == "group" else scored.speaker
    used = scored.select((labels != "") & ~scored.failed)
    without = int(np.sum(labels == ""))
    labels = used.group if by == "group" else used.speaker
    names, index = np.unique(labels, return_inverse=True)
    n, count = len(used), len(names)
    # one block of columns a group, so that all groups are resampled together
    member = np.zeros((n, count))
    member[np.arange(n), index] = 1.0
    sizes = member.sum(axis=0)
    words = used.reference_words @ member if n else np.zeros(0)
    enough = (sizes >= min_utterances) & (words >= min_words)
    resampled = resample(
        {
            "errors": used.errors[:, None] * member,
            "words": used.reference_words[:, None] * member,
            "all_words": used.reference_words,
            **{f"words_{g}": used.reference_words * (index == g) for g in range(count)},
        },
        clusters_of(used),
        resamples=resamples,
        seed=seed,
    )

    too_small = f"fewer than {min_utterances} utterances or {min_words} reference words"
    rows = tuple(
        GroupRow(
            str(names[g]),
            int(sizes[g]),
            len(np.unique(used.speaker[index == g])),
            *(
                quantity.measured(count=f"words_{g}", formula=formula).estimate(resampled)
                if enough[g]
                else Estimate.absent(too_small, n=int(words[g]), unit=quantity.unit)
                for quantity, formula in ((WER, _one(g)), (LOG_RATIO_TO_REST, _to_rest(g)))
            ),
        )
        for g in range(count)
    )
    if enough.sum() < 2:
        reason = f"fewer than two groups have {min_utterances} utterances and {min_words} reference words"
        wer, spread, log_ratio = (Estimate.absent(reason, n=int(enough.sum()), unit=one.unit) for one in BETWEEN)
        return GroupTable(rows, None, wer, spread, log_ratio, without)
    worst = max(np.flatnonzero(enough).tolist(), key=lambda g: float(_one(g)(resampled.total)))
    compared = [metric.estimate(resampled) for metric in _between(enough)]
    return GroupTable(rows, str(names[worst]), compared[0], compared[1], compared[2], without)


def _one(g: int) -> Formula:
    return lambda sums: ratio(sums["errors"][..., g], sums["words"][..., g])


def _to_rest(g: int) -> Formula:
    def formula(sums: Sums) -> Array:
        errors, words = sums["errors"], sums["words"]
        rest = ratio(errors.sum(axis=-1) - errors[..., g], words.sum(axis=-1) - words[..., g])
        return _log(ratio(ratio(errors[..., g], words[..., g]), rest))

    return formula


def _log(x: Array) -> Array:
    return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), np.nan)


def _between(enough: NDArray[np.bool_]) -> list[Metric]:
    """Return the metrics of `BETWEEN`, over the groups that are large enough."""
    formulas: tuple[Formula, ...] = (
        lambda sums: _extremes(sums, enough)[0],
        lambda sums: np.subtract(*_extremes(sums, enough)),
        lambda sums: _log(ratio(*_extremes(sums, enough))),
    )
    return [
        one.measured(count="all_words", formula=formula, centre=True, bounds=(0.0, math.inf))
        for one, formula in zip(BETWEEN, formulas, strict=True)
    ]


def _extremes(sums: Sums, groups: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the rates of the worst and of the best group."""
    rates = ratio(sums["errors"][..., groups], sums["words"][..., groups])
    return rates.max(axis=-1), rates.min(axis=-1)
