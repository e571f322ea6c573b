"""Words and confidences of a server's answers, token by token."""

import math
from itertools import pairwise

import pytest

from askd_bench.models.external.http_formats import transcription_of


def test_special_tokens_are_no_words() -> None:
    tokens = {"<|en|>": -9.0, "So": -0.5, " be": -0.1, " it": 1e-9, "<|end|>": -3.0}
    logprobs = [{"token": token, "logprob": value} for token, value in tokens.items()]
    found = transcription_of({"text": " So be it", "logprobs": logprobs})
    assert found.text == "So be it"
    assert [(word.text, word.confidence) for word in found.words] == [
        ("So", pytest.approx(math.exp(-0.5))),
        ("be", pytest.approx(math.exp(-0.1))),
        ("it", 1.0),
    ]
    assert (found.word_tokens, found.token_logprobs) == ((1, 1, 1), (-0.5, -0.1, 0.0))


def test_tokens_that_end_within_a_character() -> None:
    """A token's text is then a replacement character; its bytes are true."""
    whole = " naïve 東".encode()
    cuts = [0, 4, 7, 9, len(whole)]
    logprobs = [{"token": whole[a:b].decode(errors="replace"), "bytes": list(whole[a:b]), "logprob": -0.1 * b} for a, b in pairwise(cuts)]
    found = transcription_of({"text": "naïve 東", "logprobs": logprobs})
    assert [word.text for word in found.words] == ["naïve", "東"]
    assert [word.confidence for word in found.words] == pytest.approx([math.exp(-0.7), math.exp(-0.1 * len(whole))])


def test_probabilities_of_words_that_are_not_all_there() -> None:
    words = [{"word": " so", "probability": 0.5}, {"word": " it"}]
    assert [word.confidence for word in transcription_of({"text": "so it", "words": words}).words] == [None, None]
    words = [{"word": " so", "probability": 0.5}, {"word": " it", "probability": None}]
    assert [word.confidence for word in transcription_of({"text": "so it", "words": words}).words] == [0.5, None]
    with pytest.raises(ValueError, match="text is 3"):
        transcription_of({"text": 3})
