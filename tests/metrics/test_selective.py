import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import references, simulate
from sklearn.metrics import average_precision_score, roc_auc_score

from askd_bench.metrics import calibration, selective
from askd_bench.metrics.bootstrap import clusters_of, resample
from askd_bench.metrics.scoring import score

MIXED = st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.875]), st.booleans()), min_size=2, max_size=40).filter(
    lambda items: len({y for _, y in items}) == 2
)


def arrays(items: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in items]), np.array([y for _, y in items])


@given(MIXED)
def test_equal_scikit_learn_with_ties(items: list[tuple[float, bool]]) -> None:
    confidence, correct = arrays(items)
    assert selective.auroc(confidence, correct) == pytest.approx(roc_auc_score(correct, confidence), abs=1e-12)
    assert selective.error_average_precision(confidence, correct) == pytest.approx(
        average_precision_score(~correct, -confidence), abs=1e-12
    )


def cumulative_aurc(correct_most_confident_first: np.ndarray) -> float:
    wrong = np.cumsum(~correct_most_confident_first)
    return float(np.mean(wrong / np.arange(1, len(wrong) + 1)))


def test_aurc_by_definition() -> None:
    rng = np.random.default_rng(0)
    confidence, correct = rng.random(500), rng.random(500) < 0.8
    assert selective.aurc(confidence, correct) == pytest.approx(cumulative_aurc(correct[np.argsort(-confidence)]), abs=1e-12)
    best = cumulative_aurc(np.sort(correct)[::-1])
    assert selective.excess_aurc(confidence, correct) == pytest.approx(selective.aurc(confidence, correct) - best, abs=1e-12)


def test_ties_are_the_mean_over_their_orders() -> None:
    rng = np.random.default_rng(1)
    confidence, correct = rng.integers(0, 4, 30) / 4, rng.random(30) < 0.6
    shuffles = []
    for _ in range(20_000):
        order = rng.permutation(30)
        shuffles.append(cumulative_aurc(correct[order][np.argsort(-confidence[order], kind="stable")]))
    assert selective.aurc(confidence, correct) == pytest.approx(np.mean(shuffles), abs=4 * np.std(shuffles) / np.sqrt(20_000))


@given(MIXED)
def test_monotone_transforms_change_nothing(items: list[tuple[float, bool]]) -> None:
    confidence, correct = arrays(items)
    bent = 1 / (1 + np.exp(-3 * confidence)) ** 2
    for metric in (selective.auroc, selective.error_average_precision, selective.aurc, selective.excess_aurc):
        assert metric(confidence, correct) == pytest.approx(metric(bent, correct), abs=1e-12)
        assert -1e-12 <= metric(confidence, correct) <= 1


def test_perfect_and_reversed_ranking() -> None:
    correct = np.array([True] * 30 + [False] * 10)
    confidence = np.linspace(1, 0, 40)
    assert selective.auroc(confidence, correct) == 1
    assert selective.error_average_precision(confidence, correct) == pytest.approx(1)
    assert selective.excess_aurc(confidence, correct) == pytest.approx(0, abs=1e-12)
    assert selective.auroc(confidence, ~correct) == 0
    assert selective.auroc(np.full(40, 0.5), correct) == 0.5
    assert selective.aurc(np.full(40, 0.5), correct) == pytest.approx(0.25)


def test_one_class_has_no_auroc_but_an_aurc() -> None:
    confidence = np.array([0.2, 0.4])
    for correct in (np.array([True, True]), np.array([False, False])):
        assert selective.auroc(confidence, correct) is None
        assert selective.error_average_precision(confidence, correct) is None
    assert selective.aurc(confidence, np.array([True, True])) == 0
    assert selective.aurc(np.empty(0), np.empty(0, bool)) is None


def test_risk_coverage_curve() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    curve = selective.risk_coverage(confidence, np.array([True, False, True, False]), points=4)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])


def test_estimates_are_exact_with_intervals_around_them() -> None:
    scored = score(simulate(references(150)))
    resampled = resample(calibration.statistics(scored, "word"), clusters_of(scored), resamples=400)
    got = selective.estimates(scored, "word", resampled)
    words = calibration.items_of(scored)
    assert got["auroc"].value == pytest.approx(roc_auc_score(words.correct, words.confidence), abs=1e-12)
    assert got["aupr_errors"].value == pytest.approx(average_precision_score(~words.correct, -words.confidence), abs=1e-12)
    for estimate in got.values():
        assert estimate.low < estimate.value < estimate.high
        assert estimate.high - estimate.low < 0.2
