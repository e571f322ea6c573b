r"""How many recordings does it take to see a difference between two systems?

Conventions:
    - A difference of pooled error rates is seen where swapped labels give it $p < .05$, two-sided (`permutation`); the power is .8: four
      studies of this size in five see it.
    - The difference is a ratio estimated from clusters: errors of one system minus the other's, $d_i$, over reference words $w_i$, all
      renderings of a recording together. With residuals $e_i = d_i - (\sum d / \sum w) w_i$ its standard error is
      $SE = \sqrt{\sum e_i^2} / \sum w_i$ (Cochran, Sampling Techniques, 1977, chapter 6). It falls with $1 / \sqrt n$, so that $n$
      recordings that leave SE become, for a true difference $\delta$,
      $N = n \, ((z_{1-\alpha/2} + z_{power}) \, SE / \delta)^2$ (Lachin 1981, normal approximation): $n$ times the square of the minimum
      detectable difference over $\delta$. Where clusters are speakers, it takes as many times more speakers.
    - N holds for recordings like these, rendered alike. It is itself an estimate, a rough one from under 30 clusters. For the difference
      that was seen, it moves with that difference: plan with a difference that matters to you.
    - No fewer clusters than six are asked for: with five, no swap has $p < .05$, however alike they are.
"""

import math

from askd_bench.errors import UserError
from askd_bench.metrics.significance import ALPHA, PairedDifference

LEAST_CLUSTERS = 2 + math.floor(-math.log2(ALPHA))
"""The smallest n for which both extreme ones of 2^n swaps have a share under `ALPHA`."""

FEW = 30
"""From fewer clusters than this the variance, and so the number of recordings, is known roughly."""


def recordings_needed(paired: PairedDifference, recordings: int, difference: float) -> int | None:
    """Return how many recordings like those compared show `difference` with power .8; None where its variance is not known.

    Args:
        paired: of the recordings that are there.
        recordings: how many these are, each once whatever its number of renderings.
        difference: of error rates, errors per reference word; its sign does not count.

    Raises:
        UserError: a difference of 0, which no number of recordings shows.

    >>> from askd_bench.metrics.estimate import Estimate
    >>> paired = PairedDifference(Estimate(value=0.01, n=4000), 0.4, 0.04, "utterance", 200)
    >>> recordings_needed(paired, 200, 0.04), recordings_needed(paired, 200, -0.01), recordings_needed(paired, 200, 0.9)
    (200, 3200, 6)
    """
    if not difference:
        raise UserError("difference: 0 is shown by no number of recordings (allowed: another number)")
    if paired.detectable is None or not paired.clusters:
        return None
    share = (paired.detectable / difference) ** 2
    return math.ceil(recordings * max(share, LEAST_CLUSTERS / paired.clusters) - 1e-9)
