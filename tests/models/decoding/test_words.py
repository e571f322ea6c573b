"""From tokens to words: nothing lost, nothing counted twice."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.models.decoding.words import group_into_words

spoken = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40) | st.lists(
    st.sampled_from(["It's", "well-known", "U.S.", "$5", "café", "東京", "no,", "...", "-", "!?", "naïve", "😀", "\n", "don’t", "3.14"]),
    max_size=8,
).map(" ".join)


def check(tokens: list[int], tokenizer: Any) -> list[Any]:
    logprobs = [-0.01 * (i + 1) for i in range(len(tokens))]
    words = group_into_words(tokens, logprobs, tokenizer)
    whole = tokenizer.decode(tokens)
    assert "".join("".join(word.word.text for word in words).split()) == "".join(whole.split())
    assert " ".join(word.word.text for word in words).split() == whole.split()
    positions = [i for word in words for i in word.scored]
    assert positions == sorted(set(positions)), "a token belongs to one word, in order"
    for word in words:
        assert word.word.text
        assert word.word.confidence == pytest.approx(math.exp(min(logprobs[i] for i in word.scored)))
    return words


@given(text=spoken)
def test_words_joined_are_the_text(text: str, tokenizer: Any) -> None:
    check(tokenizer(text, add_special_tokens=False).input_ids, tokenizer)


@given(tokens=st.lists(st.integers(0, 50_255), max_size=30))
def test_words_joined_are_the_text_for_any_tokens_a_model_may_choose(tokens: list[int], tokenizer: Any) -> None:
    check(tokens, tokenizer)


def test_punctuation_carries_no_confidence(tokenizer: Any) -> None:
    tokens = tokenizer(" Hello, world... -", add_special_tokens=False).input_ids
    pieces = [tokenizer.decode([token]) for token in tokens]
    assert pieces == [" Hello", ",", " world", "...", " -"]
    words = group_into_words(tokens, [-0.1, -9.0, -0.2, -8.0, -0.3], tokenizer)
    assert [(word.word.text, word.scored) for word in words] == [("Hello,", (0,)), ("world...", (2,)), ("-", (4,))]
    assert [word.word.confidence for word in words] == pytest.approx([math.exp(-0.1), math.exp(-0.2), math.exp(-0.3)])


def test_a_word_of_many_tokens_is_as_sure_as_its_weakest(tokenizer: Any) -> None:
    tokens = tokenizer(" incomprehensibilities", add_special_tokens=False).input_ids
    assert len(tokens) > 2
    logprobs = [-0.1] * len(tokens)
    logprobs[1] = -2.0
    [word] = group_into_words(tokens, logprobs, tokenizer)
    assert word.scored == tuple(range(len(tokens)))
    assert word.word.confidence == pytest.approx(math.exp(-2.0))


def test_nothing_said(tokenizer: Any) -> None:
    assert group_into_words([], [], tokenizer) == []
    assert group_into_words(tokenizer("  \n ", add_special_tokens=False).input_ids, [-1.0] * 3, tokenizer) == []
