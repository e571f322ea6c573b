"""Post-hoc temperature scaling without a second run: fitted on dev words, judged on test words.

Conventions:
    - While decoding, log-probabilities of the chosen tokens are stored for a grid of temperatures; confidences of words at each of them are
      aggregated as at temperature 1. The text does not change.
    - One temperature for the model: the grid point with the least mean negative log-likelihood of word correctness over all dev words, all
      conditions pooled (Guo et al. 2017 fit on the same loss; they optimise a continuous temperature on whole distributions). Fitting on
      shifted audio too is the strongest form of this control: an arm that beats it beats recalibration with knowledge of the conditions.
    - A fit at an end of the grid is marked: the optimum may lie beyond.
"""

from dataclasses import dataclass, replace

import numpy as np

from askd_bench.metrics.calibration import items_of, log_loss_of
from askd_bench.metrics.items import Items
from askd_bench.metrics.scoring import Scored

MIN_DEV_WORDS = 100
"""Fewer dev words than this fit nothing."""


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """The chosen temperature, or None with the reason.

    Attributes:
        temperature: the grid point with the least loss.
        losses: temperature -> mean negative log-likelihood on dev words, in nats.
        n: dev words.
        at_edge: the least loss is at an end of the grid.
        reason: why there is no temperature.
    """

    temperature: float | None
    losses: dict[float, float]
    n: int
    at_edge: bool = False
    reason: str | None = None


def fit_temperature(scored: Scored) -> TemperatureFit:
    """Fit on the dev utterances of `scored`, words with a confidence at every temperature of the grid."""
    if not np.any(scored.dev):
        return TemperatureFit(None, {}, 0, reason="no dev utterances to fit on")
    words = items_of(scored.select(scored.dev))
    if not words.tempered:
        return TemperatureFit(None, {}, len(words.correct), reason="no log-probabilities at other temperatures are stored")
    known = np.all([np.isfinite(values) for values in words.tempered.values()], axis=0)
    n = int(known.sum())
    if n < MIN_DEV_WORDS:
        return TemperatureFit(None, {}, n, reason=f"fewer than {MIN_DEV_WORDS} dev words with confidences at all temperatures")
    grid = dict(sorted({1.0: words.confidence, **words.tempered}.items()))
    losses = {t: float(np.mean(log_loss_of(confidence[known], words.correct[known]))) for t, confidence in grid.items()}
    # ties (a grid point that changes nothing) go to the temperature nearest 1
    best = min(losses, key=lambda t: (losses[t], abs(np.log(t))))
    return TemperatureFit(best, losses, n, at_edge=best in (min(losses), max(losses)))


def at_temperature(scored: Scored, temperature: float) -> Scored:
    """Return the same utterances with word and token confidences at a temperature of the grid (unknown where it is not stored)."""

    def tempered(items: Items) -> Items:
        if temperature == 1.0:
            return items
        missing = np.full(len(items.correct), np.nan)
        return Items(items.utterance, items.correct, items.tempered.get(temperature, missing), items.tempered)

    return replace(scored, words=tempered(scored.words), tokens=tempered(scored.tokens))
