r"""Does the model know when it is wrong?

An item is a word (default), a token or an utterance; it has a confidence $c \in [0, 1]$ and is correct or not ($y \in \{0, 1\}$).

Conventions:
    - A hypothesis word is correct when the minimal alignment puts it on an equal reference word, wrong when substituted or inserted.
      Deleted words were never written: they carry no confidence and are not in any figure here. A model that leaves out what it doubts
      looks better calibrated; read these figures beside the deletion rate.
    - A token is correct when every scored word that stems from its raw word is; an utterance when it has no word error. Words that
      normalisation removes have no verdict. The confidence of an utterance is exp(mean token log-probability).
    - Items without confidence are left out; with none left every figure is None.
    - Equal-width bins: `BINS` = 15 bins $[i/15, (i+1)/15)$, the last one closed, so that $c = 1$ falls inside. netcal and numpy do the
      same; torchmetrics puts $c = 1$ into a 16th, phantom bin: the same total unless the last bin's own items pull the other way.
    - Equal-mass bins: edges at the order statistics $\lfloor i n / 15 \rfloor$; equal confidences share a bin.
    - ECE $= \sum_b \frac{n_b}{n} |\bar c_b - \bar y_b|$ (Naeini et al. 2015, Guo et al. 2017). It is biased upwards for few items: under
      `MIN_ITEMS` = 300 items it is None. Its interval is shifted by the bootstrap's estimate of that bias, and cut at 0.
    - Maximum calibration error (never "MCE", which also means mean corruption error): the largest gap over equal-mass bins, whose sizes
      make it comparable (a bin of one item would otherwise decide).
    - Brier $= \overline{(c - y)^2}$; NLL $= -\overline{y \ln c + (1-y) \ln(1-c)}$ with $c$ clipped to [1e-5, 1 - 1e-5], the precision of
      stored rows.
    - NCE $= (H - \mathrm{NLL}) / H$, $H$ the binary entropy of the accuracy (NIST; Siu, Gish & Richardson 1997): 1 perfect, 0 no better
      than knowing the accuracy, negative worse; None when all items are correct or all wrong.
    - Over-confidence gap $= \bar c - \bar y$, signed. Confident-error rate: wrong items with $c > t$ per 100 items, for t of .5, .7, .9;
      strictly above. Its denominator is all items with a confidence, so that it does not shrink when errors grow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Array, Formula, Sums, ratio
from askd_bench.metrics.items import Items
from askd_bench.metrics.metric import Metric, Needs, Statistics, ratio_of
from askd_bench.metrics.scoring import Scored

BINS = 15
MIN_ITEMS = 300
CLIP = 1e-5
CONFIDENT = 0.7
"""Above this confidence, an error is a confident one wherever one threshold is used."""

THRESHOLDS = (0.5, CONFIDENT, 0.9)
FINE_BINS = 2 * BINS
"""Equal-mass bins kept for the bootstrap; pairs of them make the `BINS` of the equal-mass ECE."""

Level = Literal["word", "token", "utterance"]
LEVELS: tuple[Level, ...] = ("word", "token", "utterance")
Binning = Literal["equal-width", "equal-mass"]
BinFormula = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram; the means are None where the bin is empty."""

    low: float
    high: float
    count: int
    mean_confidence: float | None
    accuracy: float | None


def items_of(scored: Scored, level: Level = "word") -> Items:
    """Return the items of that level that have a confidence."""
    if level == "utterance":
        confidence = np.where(scored.failed, np.nan, scored.utterance_confidence)
        return Items(np.arange(len(scored)), scored.errors == 0, ~scored.failed, confidence, {}).known()
    return (scored.words if level == "word" else scored.tokens).known()


def bin_edges(confidence: Array, *, bins: int = BINS, binning: Binning = "equal-width") -> Array:
    """Return the inner edges of the bins, shape (bins - 1,), ascending; an item belongs to the bin right of every edge <= it."""
    if binning == "equal-width":
        return np.arange(1, bins) / bins
    return np.sort(confidence)[np.arange(1, bins) * len(confidence) // bins] if len(confidence) else np.ones(bins - 1)


def reliability_curve(
    confidence: Array, correct: NDArray[np.bool_], *, bins: int = BINS, binning: Binning = "equal-width"
) -> list[ReliabilityBin]:
    """Return the bins of a reliability diagram.

    Args:
        confidence: float, shape (n,), in [0, 1].
        correct: bool, shape (n,).
        bins: how many.
        binning: "equal-width" or "equal-mass".

    Raises:
        UserError: shapes differ, or a confidence is outside [0, 1].
    """
    _check(confidence, correct)
    edges = bin_edges(confidence, bins=bins, binning=binning)
    count, confidences, corrects = _binned(confidence, correct, edges)
    if binning == "equal-width":
        limits = np.concatenate([[0.0], edges, [1.0]])
    else:
        limits = np.concatenate([[confidence.min()], edges, [confidence.max()]]) if len(confidence) else np.linspace(0, 1, bins + 1)
    return [
        ReliabilityBin(
            float(limits[b]),
            float(limits[b + 1]),
            int(count[b]),
            float(confidences[b] / count[b]) if count[b] else None,
            float(corrects[b] / count[b]) if count[b] else None,
        )
        for b in range(bins)
    ]


def expected_calibration_error(
    confidence: Array, correct: NDArray[np.bool_], *, bins: int = BINS, binning: Binning = "equal-width"
) -> float | None:
    """Return the expected calibration error, None without items (no least number of items here: `METRICS` has that).

    >>> expected_calibration_error(np.array([0.75, 0.75, 0.75, 1.0]), np.array([True, True, False, False]))
    0.3125
    """
    _check(confidence, correct)
    if not len(confidence):
        return None
    return float(calibration_error(*_binned(confidence, correct, bin_edges(confidence, bins=bins, binning=binning))))


def maximum_calibration_error(
    confidence: Array, correct: NDArray[np.bool_], *, bins: int = BINS, binning: Binning = "equal-mass"
) -> float | None:
    """Return the largest gap between mean confidence and accuracy over the bins, None without items."""
    _check(confidence, correct)
    if not len(confidence):
        return None
    return float(largest_gap(*_binned(confidence, correct, bin_edges(confidence, bins=bins, binning=binning))))


def calibration_error(count: Array, confidence: Array, correct: Array) -> Array:
    """Return ECE from sums over bins: items, confidences, correct items; shape (..., bins) each, (...) out."""
    return ratio(np.abs(confidence - correct).sum(axis=-1), count.sum(axis=-1))


def largest_gap(count: Array, confidence: Array, correct: Array) -> Array:
    """Return the maximum calibration error from sums over bins; empty bins do not count."""
    gaps: Array = np.max(np.abs(confidence - correct) / np.maximum(count, 1), axis=-1)
    return gaps


def log_loss_of(confidence: Array, correct: NDArray[np.bool_]) -> Array:
    """Return each item's negative log-likelihood in nats, confidences clipped to [`CLIP`, 1 - `CLIP`]."""
    clipped = np.clip(confidence, CLIP, 1 - CLIP)
    return -np.log(np.where(correct, clipped, 1 - clipped))


def statistics(scored: Scored, level: Level = "word") -> Statistics:
    """Return what the metrics of that level add up; names carry the level."""
    items = items_of(scored, level)
    n, c, y = len(scored), items.confidence, items.correct

    def per_utterance(values: NDArray[np.generic]) -> Array:
        return np.bincount(items.utterance, weights=values, minlength=n).astype(np.float64)

    def per_bin(values: NDArray[np.generic], index: NDArray[np.int64], bins: int) -> Array:
        return np.bincount(items.utterance * bins + index, weights=values, minlength=n * bins).astype(np.float64).reshape(n, bins)

    ones = np.ones(len(c))
    out = {
        "items": per_utterance(ones),
        "confidence": per_utterance(c),
        "correct": per_utterance(y),
        "wrong": per_utterance(~y),
        "squared": per_utterance((c - y) ** 2),
        "log_loss": per_utterance(log_loss_of(c, y)),
    }
    for t in THRESHOLDS:
        out[f"wrong_above_{t}"] = per_utterance(~y & (c > t))
    for name, bins, binning in _BIN_KINDS:
        index = np.searchsorted(bin_edges(c, bins=bins, binning=binning), c, side="right")
        for key, values in (("count", ones), ("confidence", c), ("correct", y)):
            out[f"{name}_{key}"] = per_bin(values, index, bins)
    return {f"{level}_{name}": values for name, values in out.items()}


_BIN_KINDS: tuple[tuple[str, int, Binning], ...] = (("width", BINS, "equal-width"), ("mass", FINE_BINS, "equal-mass"))


def _paired(fine: Array) -> Array:
    """Add neighbours: `FINE_BINS` -> `BINS`."""
    return fine[..., 0::2] + fine[..., 1::2]


def _nce(items: Array, correct: Array, log_loss: Array) -> Array:
    p = ratio(correct, items)
    inside = (p > 0) & (p < 1)
    q = np.where(inside, p, 0.5)
    entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q))
    return np.where(inside, 1 - ratio(log_loss, items) / entropy, np.nan)


def metrics(level: Level) -> tuple[Metric, ...]:
    """Return the metrics of one level; those of words have plain names, the others the level as prefix."""
    prefix, before = ("", "") if level == "word" else (f"{level}_", f"{level} ")
    items = f"{level}_items"
    some = ((items, 1, f"no {level} confidences: the model or its runtime gives none"),)
    enough = (*some, (items, MIN_ITEMS, f"fewer than {MIN_ITEMS} {level}s with a confidence"))
    both = (
        *some,
        (f"{level}_correct", 1, f"one class only: no {level} is correct"),
        (f"{level}_wrong", 1, f"one class only: every {level} is correct"),
    )

    def width(formula: BinFormula) -> Formula:
        return lambda sums: formula(*(sums[f"{level}_width_{key}"] for key in ("count", "confidence", "correct")))

    def mass(formula: BinFormula) -> Formula:
        return lambda sums: formula(*(_paired(sums[f"{level}_mass_{key}"]) for key in ("count", "confidence", "correct")))

    def gap(sums: Sums) -> Array:
        return ratio(sums[f"{level}_confidence"] - sums[f"{level}_correct"], sums[items])

    def metric(name: str, label: str, meaning: str, unit: str, formula: Formula, *, needs: Needs = some, **more: Any) -> Metric:
        return Metric(
            name=prefix + name,
            label=before + label,
            meaning=f"{meaning} ({level} confidence)",
            unit=unit,
            count=items,
            formula=formula,
            needs=needs,
            **{"better": "lower", "digits": 3, **more},
        )

    def error(name: str, label: str, meaning: str, formula: Formula) -> Metric:
        return metric(name, label, meaning, "probability", formula, needs=enough, centre=True, bounds=(0.0, 1.0))

    def confident(t: float) -> Metric:
        return metric(
            f"confident_errors_{t}",
            "conf. err." if t == CONFIDENT else f"conf. err. > {t}",
            f"wrong {level}s with confidence above {t}, per 100 {level}s",
            f"per 100 {level}s",
            ratio_of(f"{level}_wrong_above_{t}", items, factor=100),
            long_label=f"{before}confident errors per 100" if t == CONFIDENT else "",
            digits=1,
            long_digits=2,
        )

    log_loss = f"{level}_log_loss"
    return (
        error("ece", "ECE", "expected calibration error, 15 equal-width bins", width(calibration_error)),
        error("ece_equal_mass", "ECE, equal mass", "expected calibration error, 15 equal-mass bins", mass(calibration_error)),
        error("maximum_calibration_error", "largest gap", "largest gap over 15 equal-mass bins", mass(largest_gap)),
        metric("overconfidence_gap", "over-confidence", "mean confidence minus accuracy", "probability", gap, better="zero"),
        metric("brier", "Brier", "mean squared difference of confidence and correctness", "squared", ratio_of(f"{level}_squared", items)),
        metric("nll", "NLL", "mean negative log-likelihood of correctness", "nats", ratio_of(log_loss, items)),
        metric(
            "nce",
            "NCE",
            "normalised cross entropy: information the confidence adds to knowing the accuracy",
            "share of entropy",
            lambda sums: _nce(sums[items], sums[f"{level}_correct"], sums[log_loss]),
            needs=both,
            better="higher",
            digits=2,
        ),
        *map(confident, THRESHOLDS),
    )


METRICS = tuple(metric for level in LEVELS for metric in metrics(level))


def _binned(confidence: Array, correct: NDArray[np.bool_], edges: Array) -> tuple[Array, Array, Array]:
    index = np.searchsorted(edges, confidence, side="right")
    bins = len(edges) + 1
    return (
        np.bincount(index, minlength=bins).astype(np.float64),
        np.bincount(index, weights=confidence, minlength=bins).astype(np.float64),
        np.bincount(index, weights=correct, minlength=bins).astype(np.float64),
    )


def _check(confidence: Array, correct: NDArray[np.bool_]) -> None:
    if np.shape(confidence) != np.shape(correct):
        raise UserError(f"confidence: shape {np.shape(confidence)} differs from correct's {np.shape(correct)}")
    outside = ~((confidence >= 0) & (confidence <= 1))
    if np.any(outside):
        raise UserError(f"confidence: {float(np.asarray(confidence)[outside][0])!r} is outside [0, 1]")
