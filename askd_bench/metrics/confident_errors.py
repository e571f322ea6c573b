r"""Confident errors over thresholds, and conditional on a substitution: over-confidence apart from the number of errors.

Conventions:
    - Confident errors at a threshold $t$: wrong words, inserted ones included, with $c > t$ per 100 words with a confidence, as in
      `calibration`, whose three thresholds are points of the same curve. No one threshold decides which of two models is more confident.
    - A model that makes more errors has more confident ones. Of the words substituted for a reference word, the share with $c > t$ does not
      grow with their number, and insertions, which a loop consists of, are not in it. Beside it, `confident_substitutions` counts the same
      words per 100 words in a reference word's place.
    - Thresholds are strict, and words without a confidence are left out.
"""

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import Array
from askd_bench.metrics.calibration import CONFIDENT, items_of
from askd_bench.metrics.calibration import THRESHOLDS as COMMON_THRESHOLDS
from askd_bench.metrics.items import Items
from askd_bench.metrics.metric import Metric, Statistics, ratio_of
from askd_bench.metrics.scoring import Scored

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def statistics(scored: Scored) -> Statistics:
    """Return what the metrics of this module add up."""
    words = items_of(scored)
    wrong, substituted = ~words.correct, substitutions(words)

    def count(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(words.utterance[chosen], minlength=len(scored)).astype(np.int64)

    out = {"judged_words": count(np.ones_like(wrong)), "judged_substitutions": count(substituted)}
    for t in THRESHOLDS:
        above = words.confidence > t
        out |= {f"errors_above_{t}": count(wrong & above), f"substitutions_above_{t}": count(substituted & above)}
    return out


def substitutions(words: Items) -> NDArray[np.bool_]:
    """Return which words stand for a reference word and are not equal to it, shape (num_items,)."""
    return words.standing & ~words.correct


def error_curve(words: Items, thresholds: Array) -> Array:
    """Return wrong words with a confidence above each threshold, per 100 words; all of them with a confidence, one at least."""
    return 100 * _share_above(words.confidence[~words.correct], thresholds, len(words.correct))


def substitution_curve(words: Items, thresholds: Array) -> Array:
    """Return of 100 substituted words how many have a confidence above each threshold; one of them at least."""
    confidences = words.confidence[substitutions(words)]
    return 100 * _share_above(confidences, thresholds, len(confidences))


def _share_above(confidences: Array, thresholds: Array, of: int) -> Array:
    above: Array = (len(confidences) - np.searchsorted(np.sort(confidences), thresholds, side="right")) / of
    return above


def _errors(t: float) -> Metric:
    return Metric(
        name=f"confident_errors_{t}",
        label=f"conf. err. > {t}",
        digits=1,
        meaning=f"wrong words with confidence above {t}, per 100 words (word confidence)",
        unit="per 100 words",
        better="lower",
        count="judged_words",
        formula=ratio_of(f"errors_above_{t}", "judged_words", factor=100),
        needs=(("judged_words", 1, "no word confidences: the model or its runtime gives none"),),
    )


def _share(t: float) -> Metric:
    return Metric(
        name=f"confident_substitution_share_{t}",
        label="conf. of subst. %" if t == CONFIDENT else f"subst. > {t} %",
        long_label=f"substitutions above {t} confidence, %",
        factor=100,
        digits=1,
        meaning=f"share of substituted words with confidence above {t}: over-confidence whatever the number of errors",
        unit="share of substitutions",
        better="lower",
        count="judged_substitutions",
        formula=ratio_of(f"substitutions_above_{t}", "judged_substitutions"),
        needs=(("judged_substitutions", 1, "no substitution with a confidence"),),
    )


METRICS = (*(_errors(t) for t in THRESHOLDS if t not in COMMON_THRESHOLDS), *map(_share, THRESHOLDS))
