import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import Clusters
from askd_bench.metrics.significance import holm, mapsswe, matched_pairs, paired_difference
from askd_bench.metrics.systems import align_systems
from askd_bench.types import Row


def rows(pairs: list[tuple[str, str]]) -> list[Row]:
    return [Row(condition="clean", utterance=f"u{i:04d}", reference=r, hypothesis=h, duration_s=1.0) for i, (r, h) in enumerate(pairs)]


def test_mapsswe_equals_sclites_fixture() -> None:
    """SCTK, src/sclite/testdata: file1.sgml and file2.sgml against base_sc_stats/test1a.stats.mapsswe and test1b.

    Published there: 3 segments, mean .667, standard deviation .577, Z 2.000, and -2.000 the other way round. Two utterances, the first
    without reference words; sclite's optional fragment "(ha-)", which it counts as right in both, is written as a word that both got right.
    """
    references = ["", "yeah how do we handle how do we ha address that"]
    first = ["s.", "yeah but we have not had we ha that s. a."]
    second = ["", "yeah but we have not and we ha that's right"]
    aligned = align_systems(
        [rows(list(zip(references, hyps, strict=True))) for hyps in (first, second)], names=["first", "second"], normalizer="none"
    )
    assert aligned.errors(0).tolist() == [1, 8]
    assert aligned.errors(1).tolist() == [0, 7]
    test = mapsswe(aligned)
    assert test.segments == 3
    assert (round(test.mean, 3), round(test.standard_deviation, 3), round(test.z, 3)) == (0.667, 0.577, 2.0)
    assert test.p == pytest.approx(2 * stats.norm.sf(2.0))
    assert "under 30" in test.reason
    assert mapsswe(aligned, a=1, b=0).z == pytest.approx(-2.0)


def segments_by_state_machine(a: list[str], b: list[str], min_correct: int = 2) -> list[int]:
    """Written from the test's description, one step at a time: the differences in errors of one utterance's segments.

    a, b: evaluations in reading order, C, S, D of each reference word and I for insertions.
    """

    def split(evaluations: list[str]) -> tuple[list[int], list[bool], int]:
        before, right, insertions = [], [], 0
        for e in evaluations:
            if e == "I":
                insertions += 1
                continue
            before.append(insertions)
            right.append(e == "C")
            insertions = 0
        return before, right, insertions

    (gap_a, right_a, end_a), (gap_b, right_b, end_b) = split(a), split(b)
    segments: list[list[int]] = []
    open_segment, run = False, 0

    def error(da: int, db: int) -> None:
        nonlocal open_segment, run
        if not open_segment:
            segments.append([0, 0])
            open_segment = True
        segments[-1][0] += da
        segments[-1][1] += db
        run = 0

    for i in range(len(right_a)):
        if gap_a[i] or gap_b[i]:
            error(gap_a[i], gap_b[i])
        if right_a[i] and right_b[i]:
            run += 1
            if run >= min_correct:
                open_segment = False
        else:
            error(not right_a[i], not right_b[i])
    if end_a or end_b:
        error(end_a, end_b)
    return [x - y for x, y in segments]


def evaluations(aligned, system: int, utterance: int) -> list[str]:
    own = aligned.systems[system]
    words = np.flatnonzero(aligned.word_utterance == utterance)
    gaps = own.inserted[aligned.gap_utterance == utterance]
    out: list[str] = []
    for k, w in enumerate(words):
        out += ["I"] * gaps[k] + ["C" if own.outcome[w] == aligned.reference[w] else "S"]
    return out + ["I"] * gaps[-1]


@pytest.mark.parametrize("min_correct", [1, 2, 3])
def test_segments_equal_a_state_machine(min_correct: int) -> None:
    rng = random.Random(min_correct)
    noise = lambda words: " ".join(  # noqa: E731
        w for word in words for w in rng.choices([[word], ["x"], [], [word, "y"]], [0.8, 0.08, 0.06, 0.06])[0]
    )
    texts = [[rng.choice("abcdefgh") for _ in range(rng.randint(0, 15))] for _ in range(300)]
    systems = [rows([(" ".join(t), noise(t)) for t in texts]) for _ in range(2)]
    aligned = align_systems(systems, names=["a", "b"], normalizer="none")
    expected = [
        d for u in range(len(texts)) for d in segments_by_state_machine(evaluations(aligned, 0, u), evaluations(aligned, 1, u), min_correct)
    ]
    got, by_hand = mapsswe(aligned, min_correct=min_correct), matched_pairs(np.array(expected, float))
    assert got == by_hand
    assert got.segments > 50
    assert got.p == pytest.approx(stats.norm.sf(abs(got.z)) * 2)
    assert sum(expected) == aligned.errors(0).sum() - aligned.errors(1).sum()


def test_mapsswe_is_a_one_sample_z() -> None:
    rng = np.random.default_rng(0)
    d = rng.integers(-3, 4, 200).astype(float)
    test = matched_pairs(d)
    assert test.z == pytest.approx(d.mean() / (d.std(ddof=1) / math.sqrt(200)))
    assert test.reason is None


def test_mapsswe_without_a_test() -> None:
    assert matched_pairs(np.empty(0)).reason == "no segment has an error"
    assert matched_pairs(np.array([1.0])).reason == "one segment only"
    assert matched_pairs(np.zeros(5)).reason.startswith("both systems make the same number")
    assert matched_pairs(np.ones(5)).p is None


def test_paired_difference_finds_a_real_difference_and_is_antisymmetric() -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(5, 15, 400)
    a, b = rng.binomial(words, 0.10), rng.binomial(words, 0.15)
    clusters = Clusters(np.arange(400), 400, "utterance")
    got, turned = (paired_difference(x, y, words, clusters) for x, y in ((a, b), (b, a)))
    assert got.difference.value == pytest.approx((a.sum() - b.sum()) / words.sum())
    assert got.difference.high < 0
    assert got.p < 0.01
    assert turned.difference.low == pytest.approx(-got.difference.high, rel=0.03)
    assert turned.p == pytest.approx(got.p, abs=0.002)
    assert 0.005 < got.detectable < 0.05


def test_p_is_uniform_enough_without_a_difference() -> None:
    rng = np.random.default_rng(2)
    clusters = Clusters(np.arange(150), 150, "utterance")
    rejected = 0
    for _ in range(400):
        words = rng.integers(5, 15, 150)
        hard = rng.beta(2, 12, 150)
        got = paired_difference(rng.binomial(words, hard), rng.binomial(words, hard), words, clusters, swaps=600)
        rejected += got.p < 0.05
    assert 0.02 <= rejected / 400 <= 0.06


def test_detectable_difference_is_detected_four_times_in_five() -> None:
    """Put a true difference of the stated size into new corpora of this kind."""
    rng = np.random.default_rng(5)
    n = 300
    clusters = Clusters(np.arange(n), n, "utterance")
    words = np.full(n, 10)

    def world(shift: float):
        hard = rng.beta(2, 12, n)
        return paired_difference(rng.binomial(words, np.clip(hard + shift, 0, 1)), rng.binomial(words, hard), words, clusters, swaps=600)

    shift = float(np.mean([world(0).detectable for _ in range(20)]))
    power = np.mean([not (w.difference.low <= 0 <= w.difference.high) for w in (world(shift) for _ in range(300))])
    assert 0.7 <= power <= 0.9


def test_paired_difference_reasons() -> None:
    one = Clusters(np.zeros(3, int), 1, "speaker")
    zeros, words = np.zeros(3, int), np.full(3, 5)
    got = paired_difference(zeros, zeros, words, one)
    assert (got.difference.value, got.p) == (0, None)
    assert "fewer than 5 clusters" in got.difference.reason
    ones, six = np.ones(6, int), Clusters(np.arange(6), 6, "utterance")
    assert "the same in every resample" in paired_difference(ones, ones, 5 * ones, six).difference.reason
    assert paired_difference(ones, ones, 5 * ones * (np.arange(6) < 4), six).clusters == 4, "those of whom nothing is heard do not count"
    assert paired_difference(zeros, zeros, zeros, one).difference.reason == "no reference words"
    with pytest.raises(UserError, match="shapes differ"):
        paired_difference(zeros, zeros, np.zeros(4, int), one)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_by_definition(p_values: list[float | None]) -> None:
    got = holm(p_values)
    known = sorted(p for p in p_values if p is not None)
    for p, q in zip(p_values, got, strict=True):
        if p is None:
            assert q is None
            continue
        ranks = [i for i, x in enumerate(known) if x <= p]
        assert q == pytest.approx(max(min(1.0, (len(known) - i) * known[i]) for i in ranks))
        assert p <= q <= 1
