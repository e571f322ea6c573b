"""Swapped labels: exact by enumeration, dual to its interval, and right as often as it says on the packaged rows."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm, permutation_test
from simulated import ROOT

from askd_bench.metrics.bootstrap import Clusters
from askd_bench.metrics.permutation import swap_test, swap_tests
from askd_bench.metrics.systems import Aligned, align_systems
from askd_bench.results import Result

MODELS = ("whisper-tiny.en-kd-s0", "whisper-tiny.en-askd-s0")


def single(n: int) -> Clusters:
    return Clusters(np.arange(n), n, "utterance")


def world(n: int, seed: int, more: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    words = rng.integers(3, 15, n)
    hard = rng.beta(1, 5, n)
    return rng.binomial(words, np.clip(hard + more, 0, 1)), rng.binomial(words, hard), words


def test_p_is_that_of_every_swap_there_is() -> None:
    a, b, words = world(10, seed=3, more=0.1)
    every = np.array(list(product((-1, 1), repeat=10))) @ (a - b)
    exact = np.mean(np.abs(every) >= abs((a - b).sum()))
    assert 0.01 < exact < 0.9
    assert swap_test(a - b, words, single(10), swaps=40_000)[0] == pytest.approx(exact, abs=0.01)


def test_p_is_scipys() -> None:
    a, b, words = world(60, seed=4, more=0.05)
    oracle = permutation_test(
        (a, b), lambda x, y, axis: np.sum(x - y, axis), vectorized=True, permutation_type="samples", n_resamples=20_000
    )
    assert swap_test(a - b, words, single(60), swaps=20_000)[0] == pytest.approx(oracle.pvalue, abs=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_the_interval_holds_what_the_test_does_not_reject(seed: int) -> None:
    a, b, words = world(30, seed=seed, more=0.04)
    _, (low, high), error = swap_test(a - b, words, single(30), swaps=8_000)
    assert 0.3 < error / (high - low) * 4 < 1.5

    def p_of(difference: float) -> float:
        return swap_test((a - b) - difference * words, words, single(30), swaps=8_000, seed=seed + 1)[0]

    for end in (low, high):
        assert p_of(end) == pytest.approx(0.05, abs=0.02)


def test_all_pairs_at_once_are_each_pair_alone() -> None:
    errors = np.stack([world(40, seed=9, more=more)[0] for more in (0, 0, 0.03, 0.2)], axis=1)
    together = swap_tests(errors, single(40), swaps=20_000)
    assert np.array_equal(together, together.T)
    for a, b in ((0, 2), (1, 2), (0, 3)):
        alone = swap_test(errors[:, a] - errors[:, b], np.ones(40, int), single(40), swaps=20_000)[0]
        assert together[a, b] == pytest.approx(alone, abs=0.012)
    assert together[0, 1] == 1.0  # the same errors everywhere
    np.testing.assert_allclose(swap_tests(errors / 3.0, single(40), swaps=2_000), swap_tests(errors, single(40), swaps=2_000))


def test_a_recording_is_one_observation_however_often_it_is_rendered() -> None:
    """Ten renderings with equal errors say what one of them says."""
    a, b, words = world(20, seed=11, more=0.08)
    tenfold = Clusters(np.tile(np.arange(20), 10), 20, "utterance")
    often = swap_test(np.tile(a - b, 10), np.tile(words, 10), tenfold)
    assert often[0] == swap_test(a - b, words, single(20))[0]
    assert often[1] == pytest.approx(swap_test(a - b, words, single(20))[1])


def test_many_clusters_of_few_kinds_are_drawn_by_kind() -> None:
    """3,000 one-line clusters with a handful of different sums, against the normal approximation that holds for so many."""
    a, b, words = world(3_000, seed=3, more=0.01)
    words = np.minimum(words, 5)
    a, b = np.minimum(a, 1), np.minimum(b, 1)
    p, (low, high), error = swap_test(a - b, words, single(3_000), swaps=4_000)
    value = (a - b).sum() / words.sum()
    assert (low, high) == pytest.approx((value - 1.96 * error, value + 1.96 * error), abs=0.15 * error)
    assert p == pytest.approx(2 * norm.sf(abs((a - b).sum()) / np.sqrt(np.sum((a - b) ** 2))), abs=0.03)


@pytest.fixture(scope="module", params=["telephony-v1/prompts", "noisy-v1/dialogue"])
def packaged(request: pytest.FixtureRequest) -> Aligned:
    results = [Result.open(ROOT / "reference_results" / model / request.param) for model in MODELS]
    return align_systems([result.rows() for result in results], names=MODELS)


def test_five_percent_of_swapped_labels_differ_on_packaged_rows(packaged: Aligned) -> None:
    """Swap the labels of two models recording by recording: what is then found is chance, and may be found one time in twenty."""
    names, index = np.unique(packaged.utterance, return_inverse=True)
    words = np.bincount(index, weights=packaged.reference_words)
    rng = np.random.default_rng(0)
    for counted in (packaged.errors, packaged.capped_errors):
        d = np.bincount(index, weights=counted(0) - counted(1), minlength=len(names))
        assert np.count_nonzero(d) > 10
        swapped = rng.choice([-1.0, 1.0], (500, len(names))) * d
        found = [swap_test(one, words, single(len(names)), swaps=200, seed=k)[0] < 0.05 for k, one in enumerate(swapped)]
        assert 0.02 <= np.mean(found) <= 0.06
