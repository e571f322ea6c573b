r"""Is a difference between two systems more than chance?

Conventions:
    - Every verdict of a comparison rests on one test: labels swapped recording by recording, all renderings of a recording together
      (`askd_bench.metrics.permutation`). It is run on word errors, and on capped word errors (`loop_free`), which no loop can carry.
    - Clusters are speakers where the corpus has enough of them, recordings otherwise (`bootstrap.clusters_of`).
    - MAPSSWE, the matched-pair sentence-segment word-error test (Gillick & Cox 1989), as NIST's sclite computes it: an utterance is cut
      into segments wherever both systems get at least two adjacent reference words right, with no insertion between these; segments without
      any error are left out; $Z = \bar d \sqrt n / s$ over the segments' differences in errors $d$, $s$ with $n - 1$; $p$ two-sided normal.
      Ours differs in the alignment it starts from (unit costs; sclite 4, 3, 3). It takes segments for independent, which renderings of
      one recording are not: it is shown for a single condition, as the classical figure, and no verdict of a comparison rests on it.
    - Holm's step-down correction (1979) over the conditions of a comparison.
    - Minimum detectable difference: $(z_{1-\alpha/2} + z_{power}) \cdot SE$, SE the standard error of the paired difference
      over clusters: a smaller true difference would more often than not go unseen in this corpus.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import FEW_CLUSTERS, LEVEL, MIN_CLUSTERS, NO_VARIATION, RESAMPLES, Array, Clusters
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.metric import Quantity
from askd_bench.metrics.permutation import swap_test
from askd_bench.metrics.systems import Aligned

ALPHA = 0.05
POWER = 0.8
MIN_SEGMENTS = 30
"""Fewer segments than this are too few for the normal approximation of MAPSSWE."""

P_VALUE = "p-value"
"""Unit of p-values, which tables write in a way of their own."""

WER_DIFFERENCE = Quantity(
    name="wer_difference",
    label="WER difference, points",
    meaning="word error rate of one model minus that of another on the same utterances",
    unit="errors per reference word",
    better="lower",
    factor=100,
    signed=True,
    interval=True,
    priority=1,
)
WER_MINUS_TEACHER, WER_MINUS_CONTROL = (
    replace(
        WER_DIFFERENCE,
        name=f"wer_minus_{other}",
        label=f"WER − {other}, points",
        long_label="",
        key="",
        meaning=f"word error rate of a student minus its {other}'s, on the same utterances",
    )
    for other in ("teacher", "control")
)
CAPPED_MINUS_TEACHER, CAPPED_MINUS_CONTROL = (
    replace(
        one,
        name=one.name.replace("wer", "wer_capped"),
        label=f"capped − {other}, points",
        long_label="",
        key="",
        meaning=f"capped word error rate of a student minus its {other}'s, on the same utterances",
    )
    for one, other in ((WER_MINUS_TEACHER, "teacher"), (WER_MINUS_CONTROL, "control"))
)
QUANTITIES = (
    WER_DIFFERENCE,
    WER_MINUS_TEACHER,
    WER_MINUS_CONTROL,
    CAPPED_MINUS_TEACHER,
    CAPPED_MINUS_CONTROL,
    Quantity(
        name="p_holm",
        label="p (Holm)",
        meaning="p-value of that difference by swapping labels recording by recording, Holm-corrected over conditions or pairs of models",
        unit=P_VALUE,
        priority=3,
    ),
    Quantity(
        name="matched_pairs_p_holm",
        label="MAPSSWE p",
        meaning="p-value of that difference by the matched-pairs test of sclite, corrected over conditions; no verdict rests on it",
        unit=P_VALUE,
    ),
    Quantity(
        name="detectable",
        meaning="smallest difference in word error rate that this corpus would show in four of five studies, points",
        unit="errors per reference word",
        factor=100,
    ),
)
"""What paired comparisons of two models show."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of two systems' pooled error rates, a - b: negative where a is better.

    Attributes:
        difference: with its interval; n is the number of reference words.
        p: two-sided, from swapped labels; None with the reason in `difference`.
        detectable: the minimum detectable difference, None likewise.
        resampled: "speaker" or "utterance".
        clusters: how many of them say something.
    """

    difference: Estimate
    p: float | None
    detectable: float | None
    resampled: str
    clusters: int


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """MAPSSWE: segments with an error, the mean and standard deviation of their differences, Z and p (None with a reason)."""

    segments: int
    mean: float | None
    standard_deviation: float | None
    z: float | None
    p: float | None
    reason: str | None = None


def paired_difference(
    errors_a: NDArray[np.int64],
    errors_b: NDArray[np.int64],
    reference_words: NDArray[np.int64],
    clusters: Clusters,
    *,
    swaps: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> PairedDifference:
    """Compare two systems' pooled error rates on the same utterances, by swapped labels.

    Args:
        errors_a, errors_b, reference_words: int64, shape (num_utterances,).
        clusters: what is swapped as a whole.
        swaps: how many.
        seed: of the draws.
        level: of the interval.

    Raises:
        UserError: shapes differ.
    """
    shapes = {np.shape(x) for x in (errors_a, errors_b, reference_words, clusters.index)}
    if len(shapes) > 1:
        raise UserError(f"errors_a, errors_b, reference_words, clusters: shapes differ: {', '.join(map(str, sorted(shapes)))}")
    unit = "errors per reference word"
    words = int(reference_words.sum())
    if not words:
        return PairedDifference(Estimate.absent("no reference words", unit=unit), None, None, clusters.kind, 0)
    heard = len(np.unique(clusters.index[reference_words > 0]))
    value = (int(errors_a.sum()) - int(errors_b.sum())) / words
    differences = errors_a - errors_b
    reason = FEW_CLUSTERS if heard < MIN_CLUSTERS else NO_VARIATION if not differences.any() else None
    if reason:
        return PairedDifference(Estimate(value=value, n=words, unit=unit, reason=reason), None, None, clusters.kind, heard)
    p, (low, high), error = swap_test(differences, reference_words, clusters, swaps=swaps, seed=seed, level=level)
    normal = NormalDist()
    return PairedDifference(
        Estimate(value=value, low=low, high=high, n=words, unit=unit),
        p,
        (normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) * error,
        clusters.kind,
        heard,
    )


def mapsswe(aligned: Aligned, *, a: int = 0, b: int = 1, keep: NDArray[np.bool_] | None = None, min_correct: int = 2) -> MatchedPairs:
    """Run the matched-pair sentence-segment test on systems `a` and `b`.

    Args:
        aligned: the systems on common references.
        a, b: positions in `aligned.systems`; a positive Z says that a makes more errors.
        keep: bool, shape (num_utterances,), the utterances to use; None for all where both have a hypothesis.
        min_correct: adjacent words both get right that bound a segment; sclite's default is 2.
    """
    use = ~(aligned.systems[a].failed | aligned.systems[b].failed)
    if keep is not None:
        use = use & keep
    # events in reading order: for each reference word its gap before and itself, and the gap at the end of the utterance
    gap = aligned.gap_utterance
    word_slot = np.arange(len(aligned.reference)) + aligned.word_utterance
    utterance = np.repeat(gap, 2)
    errors = np.zeros((2, len(gap), 2), np.int64)
    for k, system in enumerate((a, b)):
        errors[k, :, 0] = aligned.systems[system].inserted
        errors[k, word_slot, 1] = aligned.wrong(system)
    is_word = np.zeros((len(gap), 2), np.bool_)
    is_word[word_slot, 1] = True
    both = errors.reshape(2, -1)
    event = np.flatnonzero((both.sum(axis=0) > 0) & use[utterance]) if len(utterance) else np.empty(0, np.int64)
    # between two consecutive events there are only words both get right, and gaps without insertion
    words_before: NDArray[np.int64] = np.cumsum(is_word.ravel()) - is_word.ravel()
    passed: NDArray[np.int64] = words_before[event[1:]] - words_before[event[:-1]] - is_word.ravel()[event[:-1]]
    starts = (utterance[event[1:]] != utterance[event[:-1]]) | (passed >= min_correct)
    segment = np.concatenate([[0], np.cumsum(starts)]) if len(event) else np.empty(0, np.int64)
    return matched_pairs(np.bincount(segment, weights=both[0, event] - both[1, event]).astype(np.float64))


def matched_pairs(differences: Array) -> MatchedPairs:
    """Return the test on the segments' differences in errors, a - b, shape (num_segments,).

    >>> test = matched_pairs(np.array([1.0, 0.0, 1.0]))
    >>> test.segments, round(test.mean, 3), round(test.standard_deviation, 3), round(test.z, 3)
    (3, 0.667, 0.577, 2.0)
    """
    n = len(differences)
    if n == 0:
        return MatchedPairs(0, None, None, None, None, "no segment has an error")
    mean = float(np.mean(differences))
    if n == 1:
        return MatchedPairs(n, mean, None, None, None, "one segment only")
    sd = float(np.std(differences, ddof=1))
    if sd == 0:
        reason = "both systems make the same number of errors in every segment" if mean == 0 else "all segments differ by the same number"
        return MatchedPairs(n, mean, 0.0, None, None, reason)
    z = mean * math.sqrt(n) / sd
    few = f"{n} segments: under {MIN_SEGMENTS}, the normal approximation is rough" if n < MIN_SEGMENTS else None
    return MatchedPairs(n, mean, sd, z, math.erfc(abs(z) / math.sqrt(2)), few)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm-adjusted p-values in the same order; those that are None stay None and do not count as tests.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p))
        adjusted[i] = running
    return adjusted
