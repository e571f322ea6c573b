import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.metrics import bootstrap
from askd_bench.metrics.bootstrap import Clusters, cluster_by, clusters_of, percentile_interval, ratio, resample
from askd_bench.metrics.scoring import score


def wer(sums):
    return ratio(sums["errors"], sums["words"])


def test_intervals_cover_between_93_and_97_percent() -> None:
    """Utterances of varying length and difficulty; the true pooled rate is known by construction."""
    rng = np.random.default_rng(20240501)
    true_rate, worlds, n = 0.15, 1_500, 200
    covered = 0
    clusters = Clusters(np.arange(n), n, "utterance")
    for _ in range(worlds):
        words = rng.integers(3, 20, n)
        errors = rng.binomial(words, rng.beta(3, 17, n))  # mean 0.15, overdispersed
        low, high = resample({"errors": errors, "words": words}, clusters, resamples=1_000).interval(wer)
        covered += low <= true_rate <= high
    assert 0.93 <= covered / worlds <= 0.97


def test_speaker_clusters_cover_where_utterance_clusters_do_not() -> None:
    """Speakers differ: resampling utterances speaks for these speakers only and is too narrow for new ones."""
    rng = np.random.default_rng(7)
    true_rate, worlds, speakers, each = 0.15, 400, 40, 10
    speaker = np.repeat(np.arange(speakers), each)
    by_speaker, by_utterance = Clusters(speaker, speakers, "speaker"), Clusters(np.arange(400), 400, "utterance")
    covered = np.zeros(2)
    for _ in range(worlds):
        words = np.full(speakers * each, 10)
        errors = rng.binomial(words, np.repeat(rng.beta(3, 17, speakers), each))
        for k, clusters in enumerate((by_speaker, by_utterance)):
            low, high = resample({"errors": errors, "words": words}, clusters, resamples=300).interval(wer)
            covered[k] += low <= true_rate <= high
    covered /= worlds
    assert covered[0] > 0.91
    assert covered[1] < 0.85


def test_sums_equal_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    index = rng.integers(0, 7, 30)
    values = {"a": rng.random(30), "b": rng.random((30, 3))}
    got = resample(values, Clusters(index, 7, "speaker"), resamples=50, seed=5)
    draws = np.random.default_rng(5)
    for r in range(50):
        drawn = draws.integers(0, 7, 7)
        members = np.concatenate([np.flatnonzero(index == k) for k in drawn])
        assert got.samples["a"][r] == pytest.approx(values["a"][members].sum())
        assert got.samples["b"][r] == pytest.approx(values["b"][members].sum(axis=0))
    assert got.total["a"] == pytest.approx(values["a"].sum())
    assert got.total["b"] == pytest.approx(values["b"].sum(axis=0))


def test_kept_and_streamed_draws_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"a": np.arange(50.0)}
    clusters = Clusters(np.arange(50), 50, "utterance")
    kept = resample(values, clusters, resamples=90, seed=1).samples["a"]
    monkeypatch.setattr(bootstrap, "_KEPT_ENTRIES", 0)
    monkeypatch.setattr(bootstrap, "_CHUNK_ENTRIES", 400)
    assert np.array_equal(resample(values, clusters, resamples=90, seed=1).samples["a"], kept)


def test_draws_are_those_of_one_resample_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn many at a time, as published intervals were one by one."""
    monkeypatch.setattr(bootstrap, "_CHUNK_ENTRIES", 100)
    rng = np.random.default_rng(3)
    alone = [np.bincount(rng.integers(0, 23, 23), minlength=23) for _ in range(50)]
    np.testing.assert_array_equal(np.concatenate(list(bootstrap._drawn_counts(23, 50, 3))), alone)


def test_same_seed_same_draws_and_another_seed_others() -> None:
    values, clusters = {"a": np.arange(20.0)}, Clusters(np.arange(20), 20, "utterance")
    first = resample(values, clusters, resamples=30, seed=1).samples["a"]
    assert np.array_equal(first, resample(values, clusters, resamples=30, seed=1).samples["a"])
    assert not np.array_equal(first, resample(values, clusters, resamples=30, seed=2).samples["a"])


def test_clusters_by_speaker_from_ten_up() -> None:
    utterance = np.array([f"u{i}" for i in range(20)])
    nine = cluster_by(np.array([f"s{i % 9}" for i in range(20)]), utterance)
    assert (nine.kind, nine.count) == ("utterance", 20)
    ten = cluster_by(np.array([f"s{i % 10}" for i in range(20)]), utterance)
    assert (ten.kind, ten.count) == ("speaker", 10)
    # an unknown speaker is nobody's cluster
    partly = cluster_by(np.array([f"s{i % 10}" if i < 10 else "" for i in range(20)]), utterance)
    assert (partly.kind, partly.count) == ("speaker", 20)
    # ten speakers, one of whom says half of it, are not ten
    uneven = cluster_by(np.array([f"s{max(0, i - 10)}" for i in range(20)]), utterance)
    assert (uneven.kind, uneven.count) == ("utterance", 20)


def test_an_utterance_is_one_cluster_over_its_conditions() -> None:
    scored = score(simulate(references(15), speakers=0))
    clusters = clusters_of(scored)
    assert (clusters.kind, clusters.count) == ("utterance", 15)
    assert np.bincount(clusters.index).tolist() == [2] * 15


def test_undefined_resamples() -> None:
    assert percentile_interval(np.full(100, np.nan)) is None
    mostly = np.arange(1_000.0)
    mostly[:5] = np.nan
    assert percentile_interval(mostly) is not None
    mostly[:20] = np.nan
    assert percentile_interval(mostly) is None
