"""Post-hoc temperature scaling without a second run: fitted on dev words, judged on test words.

Conventions:
    - While decoding, log-probabilities of the chosen tokens are stored for a grid of temperatures; confidences of words at each of them are
      aggregated as at temperature 1, and those in between follow (`tempered`). The text does not change.
    - One temperature for the model: the one with the least mean negative log-likelihood of word correctness over all dev words (Guo et al.
      2017 fit on the same loss, on whole distributions), between the ends of the grid, to four decimals. Where confidences in between
      cannot be told, it is the best of the stored ones, and the fit says why.
    - A fit at an end of the grid is marked: the optimum may lie beyond.
    - A fit is an estimate too. Dev clusters are drawn with replacement and the temperature is fitted again, on a table of `STEPS`
      temperatures with a parabola through the least loss and its neighbours. Figures at the fitted temperature have intervals over both
      draws, that of the dev clusters and that of the test clusters (`resample_at_fits`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import MIN_CLUSTERS, Array, Clusters, Resampled, cluster_by, percentile_interval, resample
from askd_bench.metrics.calibration import items_of, log_loss_of
from askd_bench.metrics.items import Items
from askd_bench.metrics.metric import Statistics
from askd_bench.metrics.scoring import Scored
from askd_bench.metrics.tempered import confidence_at, why_not_between

MIN_DEV_WORDS = 100
"""Fewer dev words than this fit nothing."""

STEPS = 65
"""Temperatures of the table that resamples are fitted on: 3 % apart on a grid from .5 to 4."""

DIGITS = 4
GROUPS = 8
"""Resamples are put into so many groups of near temperatures, and all of a group take its mean."""

_DEV_SEED = 0x5EED
"""Dev and test clusters are drawn independently of each other."""


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """The chosen temperature, or None with the reason.

    Attributes:
        temperature: the one with the least loss.
        losses: stored temperature -> mean negative log-likelihood on dev words, in nats.
        n: dev words.
        at_edge: the least loss is at an end of the grid.
        reason: why there is no temperature.
        only_stored: why it is one of the stored temperatures; None where it could be any between them.
        resampled: float64, shape (num_resamples,), the temperature that each resample of the dev clusters fits; empty where there is none.
    """

    temperature: float | None
    losses: dict[float, float]
    n: int
    at_edge: bool = False
    reason: str | None = None
    only_stored: str | None = None
    resampled: Array = field(default_factory=lambda: np.empty(0))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the temperature, None without resamples."""
        return percentile_interval(self.resampled) if len(self.resampled) else None


def fit_temperature(scored: Scored, *, between: bool = True, resamples: int = 0, seed: int = 0) -> TemperatureFit:
    """Fit on the dev utterances of `scored`, words with a confidence at every temperature of the grid.

    Args:
        scored: with or without utterances that are not "dev".
        between: any temperature between stored ones may be chosen, not only these.
        resamples: how often to draw dev clusters and to fit again.
        seed: of the draws.
    """
    if not np.any(scored.dev):
        return TemperatureFit(None, {}, 0, reason="no dev utterances to fit on")
    dev = scored.select(scored.dev)
    words = items_of(dev)
    if not words.tempered:
        return TemperatureFit(None, {}, len(words.correct), reason="no log-probabilities at other temperatures are stored")
    known = np.all([np.isfinite(values) for values in words.tempered.values()], axis=0)
    n = int(known.sum())
    if n < MIN_DEV_WORDS:
        return TemperatureFit(None, {}, n, reason=f"fewer than {MIN_DEV_WORDS} dev words with confidences at all temperatures")
    loss = _Loss(len(dev), words, known)
    grid = sorted({1.0, *words.tempered})
    losses = {t: loss.mean(t) for t in grid}
    only_stored = why_not_between(grid) if between else "any other was not asked for"
    table = np.array(grid) if only_stored else np.geomspace(grid[0], grid[-1], STEPS)
    sums = np.array([loss.per_utterance(t) for t in table]).T
    best = _least(sums.sum(axis=0)[None], table)[0]
    temperature = float(table[best]) if only_stored else _polished(loss, table, best)
    ends = (grid[0], grid[-1])
    return TemperatureFit(
        temperature,
        losses,
        n,
        at_edge=temperature in ends,
        only_stored=only_stored,
        resampled=_refitted(sums, table, cluster_by(dev.speaker, dev.utterance), not only_stored, resamples, seed),
    )


@dataclass(frozen=True, slots=True)
class _Loss:
    """The negative log-likelihood of dev words' correctness at any temperature."""

    utterances: int
    words: Items
    known: NDArray[np.bool_]

    def per_utterance(self, temperature: float) -> Array:
        losses = log_loss_of(confidence_at(self.words, temperature)[self.known], self.words.correct[self.known])
        return np.bincount(self.words.utterance[self.known], weights=losses, minlength=self.utterances).astype(np.float64)

    def mean(self, temperature: float) -> float:
        return float(self.per_utterance(temperature).sum() / self.known.sum())


def _least(losses: Array, table: Array) -> NDArray[np.intp]:
    """Return where each row of losses (..., temperatures) is least; equal losses (nothing changes) go to the temperature nearest 1."""
    nearest = np.argsort(np.abs(np.log(table)), kind="stable")
    best: NDArray[np.intp] = nearest[np.argmin(losses[..., nearest], axis=-1)]
    return best


def _polished(loss: _Loss, table: Array, best: int) -> float:
    """Return the temperature of the least loss between the neighbours of the table's best."""
    low, high = table[max(best - 1, 0)], table[min(best + 1, len(table) - 1)]
    found = scipy.optimize.minimize_scalar(lambda log: loss.mean(float(np.exp(log))), bounds=(np.log(low), np.log(high)), method="bounded")
    # a bounded search never reaches its bounds
    chosen = float(np.exp(found.x)) if found.fun < loss.mean(float(table[best])) else float(table[best])
    return min(max(round(chosen, DIGITS), float(table[0])), float(table[-1]))


def _refitted(sums: Array, table: Array, clusters: Clusters, between: bool, resamples: int, seed: int) -> Array:
    """Return the temperature that each resample of the dev clusters fits; `sums`: losses, shape (utterances, temperatures)."""
    if clusters.count < MIN_CLUSTERS or not resamples:
        return np.empty(0)
    losses = resample({"loss": sums}, clusters, resamples=resamples, seed=seed + _DEV_SEED).samples["loss"]
    best = _least(losses, table)
    return _vertex(losses, np.log(table), best) if between else table[best]


def _vertex(losses: Array, logs: Array, best: NDArray[np.intp]) -> Array:
    """Return where the parabola through each row's least loss and its neighbours is least, the table's end where there is no neighbour."""
    inner = np.clip(best, 1, len(logs) - 2)
    rows = np.arange(len(losses))
    before, at, after = (losses[rows, inner + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where((bend > 0) & (inner == best), (before - after) / np.where(bend > 0, 2 * bend, 1), 0.0)
    temperatures: Array = np.exp(logs[best] + shift * (logs[1] - logs[0]))
    return temperatures


def at_temperature(scored: Scored, temperature: float) -> Scored:
    """Return the same utterances with word and token confidences at a temperature (unknown where they cannot be told, see `tempered`)."""

    def tempered(items: Items) -> Items:
        return replace(items, confidence=confidence_at(items, temperature))

    return replace(scored, words=tempered(scored.words), tokens=tempered(scored.tokens))


def resample_at_fits(
    statistics_at: Callable[[float], Statistics], fit: TemperatureFit, clusters: Clusters, *, resamples: int, seed: int = 0
) -> Resampled:
    """Resample test clusters, each draw with the temperature that a draw of the dev clusters fits; the value is that of the fit itself.

    Args:
        statistics_at: temperature -> what adds over the test utterances.
        fit: with a temperature, and as many resampled ones as `resamples` or none: then all draws take the fit's own.
        clusters: of the test utterances.
        resamples: how many.
        seed: of the draws.
    """
    if fit.temperature is None:
        raise ValueError("a fit without a temperature")
    own = resample(statistics_at(fit.temperature), clusters, resamples=resamples, seed=seed)
    if not own.samples or not len(fit.resampled):
        return own
    samples = {name: values.copy() for name, values in own.samples.items()}
    for group in np.array_split(np.argsort(fit.resampled, kind="stable"), min(GROUPS, resamples)):
        again = resample(statistics_at(float(fit.resampled[group].mean())), clusters, resamples=resamples, seed=seed)
        for name, values in samples.items():
            values[group] = again.samples[name][group]
    return Resampled(own.total, samples)
