import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from netcal.metrics import ECE
from simulated import references, simulate
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

from askd_bench.errors import UserError
from askd_bench.metrics import calibration
from askd_bench.metrics.bootstrap import Clusters, clusters_of, resample
from askd_bench.metrics.calibration import (
    CLIP,
    expected_calibration_error,
    items_of,
    maximum_calibration_error,
    reliability_curve,
)
from askd_bench.metrics.items import Items
from askd_bench.metrics.scoring import score

ITEMS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def draw(n: int, seed: int = 0, *, power: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    confidence = rng.beta(5, 1.5, n)
    return confidence, rng.random(n) < confidence**power


def estimates(confidence: np.ndarray, correct: np.ndarray, monkeypatch: pytest.MonkeyPatch, per_utterance: int = 5) -> dict:
    """Run the metrics on given items, `per_utterance` to an utterance."""
    n = len(confidence)
    count = max(1, math.ceil(n / per_utterance))
    items = Items(np.arange(n) // per_utterance, correct, correct, confidence, {})
    monkeypatch.setattr(calibration, "items_of", lambda scored, level: items)
    resampled = resample(calibration.statistics([None] * count, "word"), Clusters(np.arange(count), count, "utterance"), resamples=500)
    return {metric.name: metric.estimate(resampled) for metric in calibration.metrics("word")}


@pytest.mark.parametrize("seed", range(5))
def test_ece_equals_netcal_and_torchmetrics(seed: int) -> None:
    confidence, correct = draw(2_000, seed, power=2)
    ours = expected_calibration_error(confidence, correct)
    assert ours == pytest.approx(float(ECE(bins=15).measure(confidence, correct.astype(int))), abs=1e-9)
    # torchmetrics in "binary" mode bins a probability against its label: confidence against correctness, as here
    theirs = binary_calibration_error(torch.tensor(confidence), torch.tensor(correct.astype(int)), n_bins=15)
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_confidence_of_exactly_one_is_inside_the_last_bin() -> None:
    """torchmetrics puts it into a phantom sixteenth bin: with items pulling both ways the two bins no longer cancel."""
    confidence = np.array([0.95] * 10 + [1.0] * 10)
    correct = np.array([True] * 10 + [True] * 8 + [False] * 2)
    together = abs(0.975 - 0.9)
    assert expected_calibration_error(confidence, correct) == pytest.approx(together)
    assert float(ECE(bins=15).measure(confidence, correct.astype(int))) == pytest.approx(together)
    apart = 0.5 * abs(0.95 - 1.0) + 0.5 * abs(1.0 - 0.8)
    theirs = float(binary_calibration_error(torch.tensor(confidence), torch.tensor(correct.astype(int)), n_bins=15))
    assert theirs == pytest.approx(apart, abs=1e-6)
    last = reliability_curve(confidence, correct)[-1]
    assert (last.count, last.accuracy) == (20, 0.9)


def test_equal_mass_bins_by_hand() -> None:
    confidence, correct = draw(1_000, 3)
    order = np.argsort(confidence)
    gaps = [(len(b), abs(confidence[b].mean() - correct[b].mean())) for b in np.array_split(order, 10)]
    assert expected_calibration_error(confidence, correct, bins=10, binning="equal-mass") == pytest.approx(
        sum(n * gap for n, gap in gaps) / 1_000
    )
    assert maximum_calibration_error(confidence, correct, bins=10) == pytest.approx(max(gap for _, gap in gaps))
    curve = reliability_curve(confidence, correct, bins=10, binning="equal-mass")
    assert [b.count for b in curve] == [100] * 10


def test_equal_confidences_share_an_equal_mass_bin() -> None:
    confidence = np.array([0.5] * 50 + [0.9] * 50)
    curve = reliability_curve(confidence, confidence > 0.6, bins=4, binning="equal-mass")
    assert sorted(b.count for b in curve) == [0, 0, 50, 50]


def test_scores_equal_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, correct = draw(3_000, 1)
    got = estimates(confidence, correct, monkeypatch)
    assert got["brier"].value == pytest.approx(brier_score_loss(correct, confidence), abs=1e-12)
    clipped = np.clip(confidence, CLIP, 1 - CLIP)
    assert got["nll"].value == pytest.approx(log_loss(correct, clipped), abs=1e-12)
    assert got["ece"].value == pytest.approx(expected_calibration_error(confidence, correct), abs=1e-12)
    assert got["ece_equal_mass"].value == pytest.approx(expected_calibration_error(confidence, correct, binning="equal-mass"), abs=1e-12)
    assert got["maximum_calibration_error"].value == pytest.approx(maximum_calibration_error(confidence, correct), abs=1e-12)


def test_nce_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """NIST: H = -n log2 p - (N - n) log2(1 - p); NCE = (H + sum log2 c over correct + sum log2(1 - c) over wrong) / H."""
    confidence = np.array([0.9, 0.8, 0.7, 0.4])
    correct = np.array([True, True, False, False])
    h = 4.0  # two of four correct: one bit each
    gained = math.log2(0.9) + math.log2(0.8) + math.log2(0.3) + math.log2(0.6)
    assert estimates(confidence, correct, monkeypatch, 1)["nce"].value == pytest.approx((h + gained) / h)


def test_gap_and_confident_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence = np.array([0.95, 0.9, 0.71, 0.7, 0.5, 0.2])
    correct = np.array([False, False, False, False, False, True])
    got = estimates(confidence, correct, monkeypatch, 1)
    assert got["overconfidence_gap"].value == pytest.approx(confidence.mean() - 1 / 6)
    # strictly above
    assert got["confident_errors_0.9"].value == pytest.approx(100 / 6)
    assert got["confident_errors_0.7"].value == pytest.approx(300 / 6)
    assert got["confident_errors_0.5"].value == pytest.approx(400 / 6)


def test_perfect_calibration_gives_small_ece_and_a_covering_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, correct = draw(40_000, 2)
    got = estimates(confidence, correct, monkeypatch, 20)
    assert got["ece"].value < 0.01
    assert got["overconfidence_gap"].low < 0 < got["overconfidence_gap"].high
    # the upward bias of a resample must not push the interval off its own value
    assert got["ece"].low <= got["ece"].value <= got["ece"].high


def test_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    few = estimates(*draw(299), monkeypatch)
    assert few["ece"].value is None
    assert few["ece"].reason == "fewer than 300 words with a confidence"
    assert few["brier"].value is not None
    assert estimates(*draw(300), monkeypatch)["ece"].value is not None
    confidence, _ = draw(400)
    assert estimates(confidence, np.ones(400, bool), monkeypatch)["nce"].reason == "one class only: every word is correct"
    assert estimates(confidence, np.zeros(400, bool), monkeypatch)["nce"].reason == "one class only: no word is correct"
    nothing = estimates(np.empty(0), np.empty(0, bool), monkeypatch)
    assert {e.value for e in nothing.values()} == {None}
    assert nothing["ece"].reason == "no word confidences: the model or its runtime gives none"


@given(ITEMS)
def test_bounds_and_order(items: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in items]), np.array([y for _, y in items])
    gap = abs(confidence.mean() - correct.mean())
    for binning in ("equal-width", "equal-mass"):
        ece = expected_calibration_error(confidence, correct, binning=binning)
        # Jensen: binning can only add to the gap of the means; the largest gap bounds the mean one
        assert gap - 1e-9 <= ece <= maximum_calibration_error(confidence, correct, binning=binning) + 1e-9 <= 1 + 2e-9
        assert ece == pytest.approx(expected_calibration_error(confidence[::-1], correct[::-1], binning=binning), abs=1e-12)
        assert sum(b.count for b in reliability_curve(confidence, correct, binning=binning)) == len(items)


def test_bad_input() -> None:
    with pytest.raises(UserError, match=r"confidence: 1.5 is outside \[0, 1\]"):
        expected_calibration_error(np.array([0.5, 1.5]), np.array([True, False]))
    with pytest.raises(UserError, match="shape"):
        reliability_curve(np.array([0.5]), np.array([True, False]))


def test_levels() -> None:
    scored = score(simulate(references(40)))
    words, tokens, utterances = (items_of(scored, level) for level in calibration.LEVELS)
    assert len(tokens.correct) > len(words.correct) > len(utterances.correct) == len(scored)
    assert np.array_equal(utterances.correct, scored.errors == 0)
    statistics = calibration.statistics(scored, "token")
    assert statistics["token_items"].sum() == statistics["token_width_count"].sum() == statistics["token_mass_count"].sum()
    assert len(clusters_of(scored).index) == len(scored)
