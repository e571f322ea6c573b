import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics.ranking import rank_systems, ranking_groups
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
