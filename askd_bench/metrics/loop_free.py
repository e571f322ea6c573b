r"""What no loop of repeated words can carry: one utterance in which a model repeats itself counts as one utterance.

Conventions:
    - Capped WER: an utterance's word errors count up to its number of reference words, so that a loop counts as one lost line.
    - Capped degradation: capped errors per reference word that perturbation adds to the same lines. A line heard under several conditions
      has its clean errors counted once for each, so that both sides weigh lines alike.
    - Confident substitutions: of the hypothesis words aligned with a reference word, those that are wrong and held with confidence above
      0.7, per 100. Insertions, which a loop consists of, do not take part, and neither do deletions, which carry no confidence.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import ratio
from askd_bench.metrics.calibration import CONFIDENT
from askd_bench.metrics.metric import Metric, Quantity, Statistics, ratio_of
from askd_bench.metrics.scoring import Scored
from askd_bench.metrics.systems import DELETED, Aligned


def capped(scored: Scored) -> Statistics:
    """Return each utterance's word errors, at most as many as it has reference words: what `wer_capped` adds up."""
    return {"capped_errors": _capped_errors(scored) * ~scored.failed}


def beside_clean(scored: Scored, clean: Scored, baseline: str) -> Mapping[str, NDArray[np.generic]]:
    """Return capped errors and words of perturbed renderings, and of the same lines in the baseline condition.

    Args:
        scored: the perturbed renderings; those of the baseline condition count as nothing.
        clean: the same model's utterances in the baseline condition.
        baseline: that condition's id.
    """
    errors = dict(zip(clean.utterance.tolist(), _capped_errors(clean).tolist(), strict=True))
    perturbed = (scored.condition != baseline) & np.isin(scored.utterance, clean.utterance)
    return {
        "perturbed_errors": _capped_errors(scored) * perturbed,
        "unperturbed_errors": np.array([errors.get(utterance, 0) for utterance in scored.utterance.tolist()]) * perturbed,
        "perturbed_words": scored.reference_words * perturbed,
    }


def confident_substitutions(aligned: Aligned, system: int = 0) -> Mapping[str, NDArray[np.generic]]:
    """Return how many words stand for a reference word, and how many of them are wrong and confident."""
    one = aligned.systems[system]
    stands = (one.outcome != DELETED) & np.isfinite(one.confidence)
    wrong = stands & aligned.wrong(system) & (one.confidence > CONFIDENT)
    count = len(aligned.utterance)
    return {
        "standing_words": np.bincount(aligned.word_utterance[stands], minlength=count),
        "confident_substitutions": np.bincount(aligned.word_utterance[wrong], minlength=count),
    }


def _capped_errors(scored: Scored) -> NDArray[np.int64]:
    return np.minimum(scored.errors, scored.reference_words)


METRICS = (
    Metric(
        name="wer_capped",
        label="capped",
        long_label="capped WER %",
        factor=100,
        interval=True,
        priority=1,
        meaning="word errors per reference word, an utterance's at most its reference words, so that a loop (the same "
        "words over and over) counts as one lost line",
        unit="errors per reference word",
        better="lower",
        count="reference_words",
        formula=ratio_of("capped_errors", "reference_words"),
        needs=(("reference_words", 1, "no reference words"),),
    ),
    Metric(
        name="capped_degradation",
        label="capped Δ clean",
        long_label="capped WER points above clean",
        factor=100,
        signed=True,
        meaning="capped word error rate minus that on the same utterances in clean",
        unit="errors per reference word",
        better="lower",
        count="perturbed_words",
        formula=lambda sums: ratio(sums["perturbed_errors"] - sums["unperturbed_errors"], sums["perturbed_words"]),
        needs=(("perturbed_words", 1, "no utterance is both here and in clean"),),
    ),
    Metric(
        name="confident_substitutions",
        label="conf. subst.",
        long_label="confident substitutions per 100",
        long_digits=2,
        meaning=f"wrong words in a reference word's place with confidence above {CONFIDENT}, per 100 words in such a place",
        unit="per 100 words",
        better="lower",
        count="standing_words",
        formula=ratio_of("confident_substitutions", "standing_words", factor=100),
        needs=(("standing_words", 1, "no word confidences: the model or its runtime gives none"),),
    ),
)
WER_CAPPED, CAPPED_DEGRADATION, CONFIDENT_SUBSTITUTIONS = METRICS

CAPPED_MEAN = Quantity(
    name="wer_capped_mean",
    label="mean capped",
    long_label="mean capped WER %",
    factor=100,
    interval=True,
    meaning="mean over suites, and within a suite over its corpora, of capped WER, so that none counts for more because it has more words",
    unit="errors per reference word",
    better="lower",
)
WER_CAPPED_DIFFERENCE = Quantity(
    name="wer_capped_difference",
    label="capped WER difference, points",
    meaning="capped word error rate of one model minus that of another on the same utterances",
    unit="errors per reference word",
    better="lower",
    factor=100,
    signed=True,
    interval=True,
)
QUANTITIES = (CAPPED_MEAN, WER_CAPPED_DIFFERENCE)
"""What boards and comparisons show of it."""
