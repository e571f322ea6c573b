"""Statistics that only a study needs: confident substitutions, which no loop can carry, and damage beside the same lines unperturbed."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import Array, Sums, ratio
from askd_bench.metrics.inheritance import CONFIDENT
from askd_bench.metrics.scoring import Scored
from askd_bench.metrics.systems import DELETED, Aligned

Arrays = Mapping[str, NDArray[np.generic]]


def beside_clean(scored: Scored, clean: Scored, baseline: str) -> Arrays:
    """Return capped errors and words of perturbed renderings, and of the same lines in the baseline condition.

    A line heard under several conditions has its clean errors counted once for each, so that both sides weigh lines alike.
    """
    errors = dict(zip(clean.utterance.tolist(), np.minimum(clean.errors, clean.reference_words).tolist(), strict=True))
    perturbed = (scored.condition != baseline) & np.isin(scored.utterance, clean.utterance)
    return {
        "perturbed_errors": np.minimum(scored.errors, scored.reference_words) * perturbed,
        "unperturbed_errors": np.array([errors.get(utterance, 0) for utterance in scored.utterance.tolist()]) * perturbed,
        "perturbed_words": scored.reference_words * perturbed,
    }


def confident_substitutions(aligned: Aligned, system: int = 0) -> Arrays:
    """Return how many words stand for a reference word, and how many of them are wrong and confident; insertions do not take part."""
    one = aligned.systems[system]
    stands = (one.outcome != DELETED) & np.isfinite(one.confidence)
    wrong = stands & aligned.wrong(system) & (one.confidence > CONFIDENT)
    count = len(aligned.utterance)
    return {
        "standing_words": np.bincount(aligned.word_utterance[stands], minlength=count),
        "confident_substitutions": np.bincount(aligned.word_utterance[wrong], minlength=count),
    }


def degradation(sums: Sums) -> Array:
    """Return capped word errors per 100 words that perturbation adds to the same lines."""
    return 100 * ratio(sums["perturbed_errors"] - sums["unperturbed_errors"], sums["perturbed_words"])
