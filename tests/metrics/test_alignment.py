import random
from pathlib import Path

import jiwer
import kaldialign
import meeteval
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.metrics.alignment import align, count_errors
from askd_bench.models.names import bundled_models
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result
from askd_bench.text import normaliser
from askd_bench.types import ErrorCounts

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12)


def random_pairs(n: int, seed: int = 1) -> list[tuple[list[str], list[str]]]:
    rng = random.Random(seed)
    return [tuple([rng.choice("abcdefg") for _ in range(rng.randint(0, 14))] for _ in range(2)) for _ in range(n)]


def test_counts_equal_kaldialign_and_meeteval_on_10000_random_pairs() -> None:
    for reference, hypothesis in random_pairs(10_000):
        counts = count_errors(reference=reference, hypothesis=hypothesis)
        theirs = kaldialign.edit_distance(reference, hypothesis)
        assert counts.errors == theirs["total"]
        assert (counts.reference_length, counts.hypothesis_length) == (len(reference), len(hypothesis))
        # with unit costs several splits are minimal; insertions minus deletions is the same in all of them
        assert counts.insertions - counts.deletions == theirs["ins"] - theirs["del"] == len(hypothesis) - len(reference)
    for reference, hypothesis in random_pairs(10_000, seed=2):
        rate = meeteval.wer.siso_word_error_rate(" ".join(reference), " ".join(hypothesis))
        assert count_errors(reference=reference, hypothesis=hypothesis).errors == rate.errors


def test_split_into_kinds_equals_jiwer() -> None:
    pairs = [(r, h) for r, h in random_pairs(2_000, seed=3) if r]
    theirs = jiwer.process_words([" ".join(r) for r, _ in pairs], [" ".join(h) for _, h in pairs])
    ours = sum((count_errors(reference=r, hypothesis=h) for r, h in pairs), ErrorCounts())
    assert ours == ErrorCounts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)


def test_characters_equal_jiwer() -> None:
    pairs = [("the cat sat", "the hat sat down"), ("a b", "ab"), ("hello", "")]
    theirs = jiwer.process_characters([r for r, _ in pairs], [h for _, h in pairs])
    ours = sum((count_errors(reference=r, hypothesis=h) for r, h in pairs), ErrorCounts())
    assert ours == ErrorCounts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)


@given(WORDS, WORDS)
def test_alignment_is_in_order_complete_and_agrees_with_the_counts(reference: list[str], hypothesis: list[str]) -> None:
    steps = list(align(reference=reference, hypothesis=hypothesis))
    assert [s.reference for s in steps if s.reference is not None] == list(range(len(reference)))
    assert [s.hypothesis for s in steps if s.hypothesis is not None] == list(range(len(hypothesis)))
    kinds = [s.kind for s in steps]
    counts = count_errors(reference=reference, hypothesis=hypothesis)
    assert counts == ErrorCounts(*(kinds.count(kind) for kind in ("hit", "substitution", "deletion", "insertion")))
    for step in steps:
        if step.kind in ("hit", "substitution"):
            assert (reference[step.reference] == hypothesis[step.hypothesis]) == (step.kind == "hit")


@given(WORDS, WORDS)
def test_bounds_and_symmetry(reference: list[str], hypothesis: list[str]) -> None:
    counts = count_errors(reference=reference, hypothesis=hypothesis)
    assert abs(len(reference) - len(hypothesis)) <= counts.errors <= max(len(reference), len(hypothesis))
    assert counts.errors == count_errors(reference=hypothesis, hypothesis=reference).errors
    assert (counts.errors == 0) == (reference == hypothesis)


PACKAGED = sorted(path.parent for model in bundled_models() for path in REFERENCE_RESULTS_DIR.glob(f"{model}/*/*/signature.json"))


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: "/".join(path.parts[-3:]))
def test_counts_equal_kaldialign_on_bundled_results(path: Path) -> None:
    normalise = normaliser("whisper-english")
    checked = 0
    for row in Result.open(path).rows():
        if row.hypothesis is None:
            continue
        reference, hypothesis = normalise(row.reference).split(), normalise(row.hypothesis).split()
        assert count_errors(reference=reference, hypothesis=hypothesis).errors == kaldialign.edit_distance(reference, hypothesis)["total"]
        checked += 1
    assert checked
