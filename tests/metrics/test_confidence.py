import math

import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics.confidence import AGGREGATIONS, source_words, sources_of, token_confidences, word_confidences
from askd_bench.metrics.scoring import score
from askd_bench.text import normaliser
from askd_bench.types import Row, Word


def make(words: list[tuple[str, list[float]]], reference: str, **more) -> Row:
    logprobs = [tuple(math.log(p) for p in probabilities) for _, probabilities in words]
    return Row(
        condition="clean",
        utterance="u",
        reference=reference,
        hypothesis=" ".join(word for word, _ in words),
        duration_s=1.0,
        words=tuple(Word(word, min(p) if p else None) for word, p in words),
        word_tokens=tuple(len(p) for _, p in words),
        token_logprobs=tuple(x for word in logprobs for x in word),
        **more,
    )


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("min", 0.5), ("product", 0.5 * 0.8 * 0.9), ("geometric-mean", (0.5 * 0.8 * 0.9) ** (1 / 3)), ("last", 0.9)],
)
def test_aggregations(aggregation: str, expected: float) -> None:
    row = make([("one", [0.7]), ("transcript", [0.5, 0.8, 0.9])], "one transcript")
    assert word_confidences(row, aggregation=aggregation).values[0] == pytest.approx([0.7, expected])
    assert set(AGGREGATIONS) == {"min", "product", "geometric-mean", "last"}


def test_entropy_is_one_minus_the_largest() -> None:
    row = make([("a", [0.7]), ("b", [0.5, 0.8])], "a b", token_entropies=(0.1, 0.4, 0.2))
    assert word_confidences(row, aggregation="entropy").values[0] == pytest.approx([0.9, 0.6])


def test_words_without_tokens_are_unknown() -> None:
    row = make([("a", [0.7]), ("—", []), ("b", [0.6])], "a b")
    got = word_confidences(row).values[0]
    assert got[[0, 2]] == pytest.approx([0.7, 0.6])
    assert math.isnan(got[1])


def test_stored_confidences_serve_where_there_are_no_tokens() -> None:
    row = Row(condition="c", utterance="u", reference="a b", hypothesis="a b", duration_s=1.0, words=(Word("a", 0.25), Word("b", None)))
    got = word_confidences(row).values
    assert got[0, 0] == 0.25
    assert math.isnan(got[0, 1])
    assert np.isnan(word_confidences(row, aggregation="product").values).all()
    assert token_confidences(row) is None


def test_recomputed_equals_stored() -> None:
    for row in simulate(references(40)):
        assert word_confidences(row).values[0] == pytest.approx([word.confidence for word in row.words], abs=1e-5)


def test_unknown_aggregation() -> None:
    with pytest.raises(UserError, match="aggregation: 'minimum' is unknown; did you mean 'min'"):
        score([], aggregation="minimum")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("I'm twenty five today", [(0,), (0,), (1, 2), (3,)]),  # i am 25 today
        ("one oh one dalmatians", [(0, 1, 2), (3,)]),  # 101 dalmatians
        ("um the [noise] colour", [(1,), (3,)]),
        ("wait ... what", [(0,), (2,)]),
        ("five percent more", [(0, 1), (2,)]),  # 5% more
    ],
)
def test_where_normalised_words_come_from(raw: str, expected: list[tuple[int, ...]]) -> None:
    normalise = normaliser("whisper-english")
    row = Row(condition="c", utterance="u", reference="", hypothesis=raw, duration_s=1.0, words=tuple(Word(w, 0.5) for w in raw.split()))
    assert sources_of(row, hypothesis_words=normalise(raw).split(), normalise=normalise) == expected


def test_a_word_from_nowhere_takes_its_neighbours() -> None:
    assert source_words(pieces=[["a"], ["b"]], normalised=["a", "x", "b"]) == [(0,), (0, 1), (1,)]


def test_block_takes_the_lowest_confidence_and_verdicts_reach_the_tokens() -> None:
    row = make([("twenty", [0.9]), ("five", [0.4]), ("um", [0.3]), ("cars", [0.8, 0.7])], "25 cats")
    scored = score([row])
    assert scored.words.confidence == pytest.approx([0.4, 0.7])
    assert scored.words.correct.tolist() == [True, False]
    # "um" has no verdict; both tokens of "cars" are wrong
    assert scored.tokens.confidence == pytest.approx([0.9, 0.4, 0.8, 0.7])
    assert scored.tokens.correct.tolist() == [True, True, False, False]


def test_inserted_is_wrong_and_deleted_has_no_confidence() -> None:
    scored = score(
        [
            make([("a", [0.9]), ("a", [0.8])], "a"),
        ]
    )
    assert sorted(scored.words.correct.tolist()) == [False, True]
    scored = score([make([("a", [0.9])], "a b c")])
    assert len(scored.words.correct) == 1


def test_temperatures_some_rows_lack_are_unknown_there() -> None:
    first = make([("a", [0.9])], "a", tempered_logprobs={2.0: (math.log(0.6),)})
    second = make([("b", [0.8])], "b")
    second = Row(**{**{f: getattr(second, f) for f in second.__slots__}, "utterance": "v"})
    scored = score([second, first])
    assert math.isnan(scored.words.tempered[2.0][0])
    assert scored.words.tempered[2.0][1] == pytest.approx(0.6)
