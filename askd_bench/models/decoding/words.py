"""From tokens to words, each with a confidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from askd_bench.types import Word


class _Tokenizer(Protocol):
    def convert_ids_to_tokens(self, ids: list[int]) -> list[str | None]: ...

    def decode(self, ids: list[int]) -> str: ...


@dataclass(frozen=True, slots=True)
class TokenWord:
    """A word, and the positions of the tokens its confidence rests on."""

    word: Word
    scored: tuple[int, ...]


def group_into_words(tokens: Sequence[int], logprobs: Sequence[float], tokenizer: _Tokenizer) -> list[TokenWord]:
    """Group byte-level BPE or SentencePiece tokens into the words of the text, at white space.

    The confidence of a word is the probability of its least probable token ("min" aggregation). Tokens of mere punctuation do not count,
    unless the word has no others: scoring drops punctuation, so how sure a model is of a comma must not decide how sure it is of a word.

    Args:
        tokens: text tokens only.
        logprobs: natural log-probability of each token.
        tokenizer: one in which a token with a leading space starts a word: byte-level BPE of GPT-2's kind, or SentencePiece.

    Returns:
        the words in order; joined by spaces they are the decoded text up to white space.
    """
    groups: list[list[int]] = []
    for position, piece in enumerate(tokenizer.convert_ids_to_tokens(list(tokens))):
        # so byte-level BPE writes space, newline and tab, and SentencePiece a space, which as bytes would be other characters; a checkpoint
        # may choose a token that its tokenizer has no piece for
        if not groups or (piece and piece[0] in "ĠĊĉ▁"):
            groups.append([])
        groups[-1].append(position)
    words = []
    for group in groups:
        text = " ".join(tokenizer.decode([tokens[i] for i in group]).split())
        if not text:
            continue
        spoken = [i for i in group if any(character.isalnum() for character in tokenizer.decode([tokens[i]]))]
        scored = tuple(spoken or group)
        words.append(TokenWord(Word(text, math.exp(min(logprobs[i] for i in scored))), scored))
    return words
