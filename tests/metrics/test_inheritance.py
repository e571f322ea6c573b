import random
from dataclasses import replace

import numpy as np
import pytest
from simulated import references
from sklearn.metrics import cohen_kappa_score

from askd_bench.metrics import inheritance
from askd_bench.metrics.bootstrap import cluster_by
from askd_bench.metrics.inheritance import BlindSpots
from askd_bench.metrics.systems import Aligned, align_systems
from askd_bench.types import Row, Word

CONFUSIONS = 4


def corrupt(words: list[str], rng: random.Random, rate: float) -> list[tuple[str, float]]:
    """A word is lost, or heard as one of its few confusions, independently of everything else."""
    out = []
    for word in words:
        if rng.random() < rate:
            if rng.random() < 0.25:
                continue
            out.append((f"{word}~{rng.randrange(CONFUSIONS)}", rng.random()))
        else:
            out.append((word, 0.9))
    return out


def make_row(utterance: int, reference: str, words: list[tuple[str, float]]) -> Row:
    return Row(
        condition="clean",
        utterance=f"u{utterance:05d}",
        reference=reference,
        hypothesis=" ".join(word for word, _ in words),
        duration_s=1.0,
        words=tuple(Word(word, confidence) for word, confidence in words),
    )


def texts(n: int = 1_500) -> list[list[str]]:
    """Real words, repeated often enough that a null on words can be estimated."""
    rng = random.Random(0)
    vocabulary = sorted({word.lower().strip(".,!?") for text in references() for word in text.split()})[:80]
    return [[rng.choice(vocabulary) for _ in range(rng.randint(5, 12))] for _ in range(n)]


def system(seed: int, rate: float, n: int = 1_500) -> list[Row]:
    rng = random.Random(seed)
    return [make_row(u, " ".join(words), corrupt(words, rng, rate)) for u, words in enumerate(texts(n))]


def mixed(teacher: list[Row], other: list[Row], share: float, seed: int = 9) -> list[Row]:
    rng = random.Random(seed)
    return [t if rng.random() < share else o for t, o in zip(teacher, other, strict=True)]


def measure(*systems: list[Row], control: int | None = None) -> dict:
    aligned = align_systems(systems, names=["student", "teacher", "control"][: len(systems)], normalizer="none")
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    return dict(inheritance.estimates(aligned, clusters, control=control, resamples=400))


def test_independent_errors_give_no_excess() -> None:
    got = measure(system(1, 0.2), system(2, 0.25))
    for name in ("inheritance_excess", "confident_inheritance_excess", "kappa"):
        assert got[name].low <= 0 <= got[name].high, name
        assert abs(got[name].value) < 0.02, name
    assert got["inherited"].value == pytest.approx(got["inherited_expected"].value, abs=0.01)
    # words have confusions: what chance alone repeats is not nothing
    assert got["inherited_expected"].value > 0.02


def test_copied_errors_give_all() -> None:
    teacher = system(2, 0.25)
    got = measure(teacher, teacher)
    for name in ("inherited", "inheritance_excess", "confident_inherited", "confident_inheritance_excess", "kappa"):
        assert got[name].value == 1.0, name


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_copying_a_share_gives_that_share(share: float) -> None:
    teacher, other = system(2, 0.25), system(3, 0.25)
    got = measure(mixed(teacher, other, share), teacher)
    assert got["inheritance_excess"].value == pytest.approx(share, abs=0.05)
    assert got["inheritance_excess"].low <= share + 0.03
    assert got["inheritance_excess"].high >= share - 0.03


def test_against_the_control() -> None:
    teacher, other, control = system(2, 0.25), system(3, 0.25), system(4, 0.25)
    got = measure(mixed(teacher, other, 0.5), teacher, control, control=2)
    assert 0.4 < got["inherited_vs_control"].value < 0.55
    assert got["inherited_vs_control"].low > 0.3
    same = measure(control, teacher, control, control=2)
    assert same["inherited_vs_control"].value == 0
    apart = measure(other, teacher, control, control=2)["inherited_vs_control"]
    assert apart.low <= 0 <= apart.high


def test_kappa_equals_scikit_learn() -> None:
    aligned = align_systems([system(1, 0.2, 200), system(2, 0.3, 200)], names=["s", "t"], normalizer="none")
    got = measure(system(1, 0.2, 200), system(2, 0.3, 200))
    assert got["kappa"].value == pytest.approx(cohen_kappa_score(aligned.wrong(0), aligned.wrong(1)))


def small(student: str, teacher: str, reference: str = "a b c d e f") -> Aligned:
    rows = [[make_row(0, reference, [(w, 0.9) for w in text.split()])] for text in (student, teacher)]
    return align_systems(rows, names=["s", "t"], normalizer="none")


def test_blind_spots_by_hand() -> None:
    # reference a b c d e f: x is repeated, z mended, y new, q and w differ
    aligned = small("a x c d y w", "a x z d e q")
    assert inheritance.blind_spots(aligned) == BlindSpots(handed_down=1, changed=1, mended=1, new=1, both_right=2)


def test_deleted_by_both_is_the_same_error() -> None:
    assert inheritance.blind_spots(small("a c d e f", "a c d e f")).handed_down == 1
    got = inheritance.blind_spots(small("a c d e f", "a x c d e f"))
    assert (got.handed_down, got.changed) == (0, 1)


def test_expected_agreement_by_hand() -> None:
    # reference word 0 four times, word 1 twice; the student confuses 0 with 5 twice
    reference = np.array([0, 0, 0, 0, 1, 1])
    student = np.array([5, 5, 0, 0, 1, 1])
    teacher = np.array([5, 0, 5, 0, 5, 1])
    at = teacher != reference
    got = inheritance.expected_agreement(reference, student, teacher, at)
    # at 0: one of the three others, plus one in five overall; at 2: two of three, two in five; at 4: none of one, two in five
    assert got == pytest.approx([(1 + 1 / 5) / 4, (2 + 2 / 5) / 4, (0 + 2 / 5) / 2])


def test_confident_inheritance_needs_both_above() -> None:
    def rows(confidence: float) -> list[Row]:
        return [make_row(u, "a b", [("a", 0.9), ("x", confidence)]) for u in range(30)]

    assert measure(rows(0.9), rows(0.8))["confident_inherited"].value == 1
    assert measure(rows(0.7), rows(0.8))["confident_inherited"].value == 0
    none = measure(rows(0.9), rows(0.7))["confident_inherited"]
    assert none.value is None
    assert none.reason == "the teacher substitutes no word with confidence above 0.7"


def test_reasons() -> None:
    perfect = [make_row(u, "a b", [("a", 0.9), ("b", 0.9)]) for u in range(5)]
    assert measure(perfect, perfect)["inherited"].reason == "the teacher makes no error"
    bare = [Row(condition="clean", utterance=f"u{u:05d}", reference="a b", hypothesis="a x", duration_s=1.0) for u in range(5)]
    got = measure(bare, bare)
    assert got["inherited"].value == 1
    assert got["confident_inherited"].reason == "no word confidences: a model or its runtime gives none"


def test_the_same_recording_in_another_condition_is_no_independent_occurrence() -> None:
    """Consistent repetition must not pass for chance: heard twice in the same way, a student inherits as much as when heard once."""
    teacher, other = system(1, 0.4, 300), system(2, 0.4, 300)
    student = mixed(teacher, other, 0.5)
    once = measure(student, teacher)["inheritance_excess"].value
    twice = [[*rows, *(replace(row, condition="noisy") for row in rows)] for rows in (student, teacher)]
    assert measure(*twice)["inheritance_excess"].value == pytest.approx(once, abs=1e-12)
    assert once > 0.3


def hard_for_everybody(seed: int, n: int = 1_500) -> list[Row]:
    """Half the recordings are easy; in the other half every system errs, and on a mumbled word most hear the same wrong one."""
    own, shared = random.Random(seed), random.Random(0)
    rows = []
    for u, words in enumerate(texts(n)):
        heard = []
        for word in words:
            mumbled, sounds_like = shared.random() < 0.4, f"{word}~{shared.randrange(CONFUSIONS)}"
            misheard = own.random() < (0.7 if mumbled and u % 2 else 0.05)
            heard.append(
                (sounds_like if mumbled and own.random() < 0.8 else f"{word}~{own.randrange(CONFUSIONS)}", 0.9) if misheard else (word, 0.9)
            )
        rows.append(make_row(u, " ".join(words), heard))
    return rows


def test_systems_that_have_nothing_to_do_with_each_other_inherit_nothing_beyond_unrelated_ones() -> None:
    teacher, *unrelated = (hard_for_everybody(seed) for seed in range(1, 6))
    student = mixed(teacher, hard_for_everybody(9), 0.5)
    aligned = align_systems([student, teacher, *unrelated], names=list("stabcd"), normalizer="none")
    clusters = cluster_by(aligned.speaker, aligned.utterance)

    def beyond(one: int, others: list[int]) -> dict:
        floor = inheritance.floor(aligned, others, teacher=1)
        return dict(inheritance.estimates(aligned, clusters, student=one, unrelated=floor, resamples=400))

    for one in (2, 3, 4):
        got = beyond(one, [k for k in (2, 3, 4, 5) if k != one])
        assert got["inheritance_excess"].value > 0.15, "hard recordings are hard for everybody"
        assert got["inheritance_beyond"].low <= 0 <= got["inheritance_beyond"].high
        assert abs(got["inheritance_beyond"].value) < 0.05
    taught = beyond(0, [2, 3, 4, 5])
    assert taught["inheritance_beyond"].low <= 0.5 <= taught["inheritance_beyond"].high
    assert beyond(1, [2, 3])["inheritance_beyond"].value == 1.0
    assert "no system unrelated" in beyond(0, [])["inheritance_beyond"].reason


def test_what_becomes_of_the_teachers_errors_adds_up() -> None:
    aligned = small("a x c d y w", "a x z d e q")
    got = inheritance.estimates(aligned, cluster_by(aligned.speaker, aligned.utterance), resamples=10)
    shares = [got[name].value for name in ("inherited", "changed_share", "mended_share")]
    assert shares == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert got["new_errors"].value == pytest.approx(100 / 3)  # y, of the three words that the teacher has right
