from dataclasses import replace

import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import cluster_by
from askd_bench.metrics.permutation import swap_tests
from askd_bench.metrics.ranking import leverage, pairwise_p, rank_systems, ranking_groups
from askd_bench.metrics.systems import align_systems


def symmetric(n: int, pairs: dict[tuple[int, int], float]) -> np.ndarray:
    p = np.ones((n, n))
    for (i, j), value in pairs.items():
        p[i, j] = p[j, i] = value
    return p


def test_models_that_cannot_be_told_apart_share_a_group() -> None:
    p = symmetric(4, {(0, 2): 0.001, (0, 3): 0.001, (1, 2): 0.001, (1, 3): 0.001})
    ranks = ranking_groups(["b", "a", "d", "c"], [0.12, 0.11, 0.2, 0.19], p)
    assert [(r.name, r.best, r.worst, r.group) for r in ranks] == [("a", 1, 2, 1), ("b", 1, 2, 1), ("c", 3, 4, 2), ("d", 3, 4, 2)]


def test_a_chain_is_one_group_though_its_ends_differ() -> None:
    ranks = ranking_groups(["a", "b", "c"], [0.1, 0.15, 0.2], symmetric(3, {(0, 2): 0.01}))
    assert [(r.best, r.worst, r.group) for r in ranks] == [(1, 2, 1), (1, 3, 1), (2, 3, 1)]


def test_an_unknown_p_cannot_tell_apart() -> None:
    p = symmetric(2, {})
    p[0, 1] = p[1, 0] = np.nan
    assert [r.group for r in ranking_groups(["a", "b"], [0.1, 0.9], p)] == [1, 1]


def test_shapes() -> None:
    with pytest.raises(UserError, match=r"\(2, 2\) is needed"):
        ranking_groups(["a", "b"], [0.1, 0.2], np.ones((3, 3)))


def test_systems_are_ranked_by_their_rows() -> None:
    rates = {"worst": 0.5, "good": 0.1, "as good": 0.1}
    systems = [list(simulate(references(200), [("clean", rate)], seed=k)) for k, rate in enumerate(rates.values())]
    aligned = align_systems(systems, names=list(rates))
    ranks = rank_systems(aligned, list(rates))
    assert {rank.name: rank.group for rank in ranks} == {"good": 1, "as good": 1, "worst": 2}
    assert ranks[-1].name == "worst"
    with pytest.raises(UserError, match="names: 2 for 3 systems"):
        rank_systems(aligned, ["a", "b"])


def test_p_values_are_corrected_as_statsmodels_does() -> None:
    rates = (0.1, 0.12, 0.2, 0.3)
    names = list(map(str, rates))
    aligned = align_systems([list(simulate(references(150), [("clean", rate)], seed=k)) for k, rate in enumerate(rates)], names=names)
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    raw = swap_tests(np.stack([aligned.capped_errors(k) for k in range(4)], axis=1), clusters)
    pairs = np.triu_indices(4, 1)
    got = pairwise_p(aligned, clusters=clusters)
    n = len(pairs[0])
    order = np.argsort(raw[pairs])
    by_hand = np.empty(n)
    by_hand[order] = np.minimum(1, np.maximum.accumulate((n - np.arange(n)) * raw[pairs][order]))
    assert got[pairs] == pytest.approx(by_hand)
    assert np.array_equal(got, got.T)


def test_weights_let_corpora_of_different_size_count_alike() -> None:
    """One system is better on the short corpus, the other on the long one, by as much: alike where corpora are, not where words are."""
    texts = references(120)
    systems = []
    for k, (short, long) in enumerate(((0.1, 0.2), (0.2, 0.1))):
        rows = [*simulate(texts[:20], [("short", short)], seed=k), *simulate(texts[20:], [("long", long)], seed=k)]
        systems.append([replace(row, split="test", utterance=f"{row.condition}-{row.utterance}") for row in rows])
    aligned = align_systems(systems, names=["a", "b"])
    words = aligned.reference_words
    share = {name: words[aligned.condition == name].sum() for name in ("short", "long")}
    weights = np.array([1 / share[str(name)] for name in aligned.condition])
    plain, weighted = (rank_systems(aligned, ["a", "b"], weights=one, swaps=2_000) for one in (None, weights))
    assert [rank.name for rank in plain] == ["b", "a"]
    rates = [[(aligned.capped_errors(k) * (aligned.condition == name)).sum() / share[name] for name in share] for k in range(2)]
    best = int(np.argmin(np.mean(rates, axis=1)))
    assert weighted[0].name == "ab"[best]
    assert pairwise_p(aligned, weights=weights, swaps=2_000)[0, 1] > 10 * pairwise_p(aligned, swaps=2_000)[0, 1]


def test_the_recording_that_decides_is_named() -> None:
    texts = references(60)
    rows = [list(simulate(texts, [("clean", 0.1), ("noisy", 0.1)], seed=k)) for k in range(3)]
    assert leverage(align_systems([rows[0], rows[0]], names=["a", "b"]), ["a", "b"]) is None
    close = [replace(row, hypothesis="") if row.utterance == "u00040" else row for row in rows[0]]
    found = leverage(align_systems([close, rows[0]], names=["a", "b"]), ["a", "b"])
    assert found is None or found.utterance == "u00040"
