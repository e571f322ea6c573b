import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import references

from askd_bench.metrics import hallucination
from askd_bench.metrics.bootstrap import clusters_of, resample
from askd_bench.metrics.scoring import repeated_ngrams, score
from askd_bench.types import Row


def estimates(*pairs: tuple[str, str | None], duration_s: float = 30.0) -> dict:
    rows = [
        Row(condition="silence", utterance=f"u{i}", reference=r, hypothesis=h, duration_s=duration_s, error=None if h is not None else "x")
        for i, (r, h) in enumerate(pairs)
    ]
    scored = score(rows)
    resampled = resample(hallucination.statistics(scored), clusters_of(scored), resamples=100)
    return {metric.name: metric.estimate(resampled) for metric in hallucination.METRICS}


def test_insertions_per_reference_word() -> None:
    got = estimates(("one cat", "one fat cat"), ("a dog", "a dog"))
    assert got["insertion_rate"].value == pytest.approx(1 / 4)
    assert got["length_ratio"].value == pytest.approx(5 / 4)


def test_hypotheses_that_share_nothing() -> None:
    got = estimates(("hello there", "thanks for watching"), ("hello", "hello you"), ("hello", ""), ("hello", None), ("", "you"))
    assert got["hallucination_rate"].value == pytest.approx(2 / 4)
    assert got["hallucination_rate"].n == 4


def test_words_invented_in_silence_per_minute() -> None:
    got = estimates(("", "thank you"), ("", ""), ("[silence]", "you"), ("real words", "real words and more"))
    assert got["invented_words_per_minute"].value == pytest.approx(3 / 1.5)
    assert got["invented_words_per_minute"].n == 3
    assert estimates(("a", "a"))["invented_words_per_minute"].reason == "no utterance with an empty reference"


def test_loops_are_counted_within_an_utterance_beyond_the_reference() -> None:
    loop = "and that is what I want " * 4
    got = estimates((" and that is what I want", loop))
    # 24 words, 20 five-grams, 6 different
    assert got["loops_per_1000_words"].value == pytest.approx(1000 * 14 / 24)
    assert estimates((loop, loop))["loops_per_1000_words"].value == 0
    # the same text in two utterances is no loop
    assert estimates(*[("and that is what I want",) * 2] * 2)["loops_per_1000_words"].value == 0


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=30), st.integers(1, 6))
def test_repeated_ngrams_by_definition(words: list[str], order: int) -> None:
    seen: set[tuple[str, ...]] = set()
    repeated = 0
    for i in range(len(words) - order + 1):
        gram = tuple(words[i : i + order])
        repeated += gram in seen
        seen.add(gram)
    assert repeated_ngrams(" ".join(words), order) == repeated


def test_brackets_are_counted_not_deleted() -> None:
    got = estimates(("hello", "hello [loud music] (applause) *sighs* ♪ la la ♪ <unk>"))
    assert got["bracketed_per_1000_words"].value == pytest.approx(1000 * 9 / 10)
    assert estimates(("hello", "hello (there"))["bracketed_per_1000_words"].value == 0


def test_compression() -> None:
    text = " ".join(references(12))
    plain, looped = estimates((text, text)), estimates((text, "the same again " * 30))
    assert plain["compressible_rate"].value == 0
    assert looped["compressible_rate"].value == 1
    assert looped["compression_ratio"].value > 2.4 > plain["compression_ratio"].value


def test_reasons() -> None:
    got = estimates(("a", None))
    assert {name: e.value for name, e in got.items()} == dict.fromkeys(got)
    assert got["hallucination_rate"].reason == "no utterance has a hypothesis"
