"""As many recordings as it says show the difference as often as it says, on packaged rows."""

import numpy as np
import pytest
from simulated import ROOT

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Clusters, cluster_by, sum_by_cluster
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.permutation import swap_test
from askd_bench.metrics.power import LEAST_CLUSTERS, recordings_needed
from askd_bench.metrics.significance import ALPHA, PairedDifference, paired_difference
from askd_bench.metrics.systems import Aligned, align_systems
from askd_bench.results import Result

PAIRS = [
    ("whisper-tiny.en-kd-s0", "whisper-tiny.en-askd-s0", "noisy-v1/dialogue", 0.35),
    ("whisper-tiny.en", "whisper-base", "noisy-v1/prompts", 0.6),
    ("whisper-tiny.en-kd-s0", "whisper-tiny.en-askd-s0", "accents-v1/accents", 0.6),
]
"""Two systems, a result of both, and the imposed difference as a share of what is detectable."""


def aligned_rows(a: str, b: str, place: str) -> Aligned:
    rows = [list(Result.open(ROOT / "reference_results" / name / place).rows()) for name in (a, b)]
    return align_systems(rows, names=(a, b))


def seen(differences: np.ndarray, words: np.ndarray, seed: int) -> bool:
    clusters = Clusters(np.arange(len(words)), len(words), "utterance")
    return swap_test(differences, words, clusters, swaps=400, seed=seed)[0] < ALPHA


@pytest.mark.parametrize(("a", "b", "place", "share"), PAIRS)
def test_the_difference_is_seen_in_four_of_five_draws(a: str, b: str, place: str, share: float) -> None:
    aligned = aligned_rows(a, b, place)
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    errors, others, words = aligned.capped_errors(0), aligned.capped_errors(1), aligned.reference_words
    paired = paired_difference(errors, others, words, clusters)
    imposed = paired.detectable * share
    recordings = len(np.unique(aligned.utterance))
    draws = round(recordings_needed(paired, recordings, imposed) * clusters.count / recordings)
    # the rows' own scatter around the imposed difference, in place of the difference that they have
    sums = sum_by_cluster(np.stack([errors - others, words], axis=1).astype(np.float64), clusters)
    scatter = sums[:, 0] - paired.difference.value * sums[:, 1] + imposed * sums[:, 1]
    rng = np.random.default_rng(7)
    drawn = [rng.integers(0, clusters.count, draws) for _ in range(300)]
    power = np.mean([seen(scatter[one], sums[one, 1], seed) for seed, one in enumerate(drawn)])
    assert 0.7 <= power <= 0.9
    fewer = np.mean([seen(scatter[one[: draws // 4]], sums[one[: draws // 4], 1], seed) for seed, one in enumerate(drawn)])
    assert fewer < 0.5, "a quarter of them does not"


def test_the_detectable_difference_takes_what_is_there_and_half_of_it_four_times_as_many() -> None:
    paired = PairedDifference(Estimate(value=0.01, n=4000), 0.4, 0.04, "speaker", 20)
    assert recordings_needed(paired, 200, 0.04) == 200
    assert recordings_needed(paired, 200, 0.02) == 800
    assert recordings_needed(paired, 200, 0.019) > 800


def test_fewer_clusters_than_a_swap_needs_are_never_asked_for() -> None:
    paired = PairedDifference(Estimate(value=0.01, n=4000), 0.4, 0.04, "utterance", 200)
    assert recordings_needed(paired, 200, 1.0) == LEAST_CLUSTERS
    for clusters, can in ((LEAST_CLUSTERS, True), (LEAST_CLUSTERS - 1, False)):
        one = Clusters(np.arange(clusters), clusters, "utterance")
        assert (swap_test(np.ones(clusters), np.ones(clusters), one)[0] < ALPHA) == can


def test_what_has_no_variance_or_no_difference_has_no_number() -> None:
    alone = PairedDifference(Estimate(value=0.0, n=10, reason="no interval"), None, None, "utterance", 3)
    assert recordings_needed(alone, 3, 0.01) is None
    with pytest.raises(UserError, match="difference: 0"):
        recordings_needed(alone, 3, 0.0)
