"""From the tokens that any tokenizer of transformers knows to a transcription."""

import math
from collections.abc import Iterable
from typing import Any

from askd_bench.errors import UserError
from askd_bench.models.decoding.confidence import TEMPERATURES, TokenConfidences
from askd_bench.models.decoding.words import group_into_words
from askd_bench.types import Transcription


class TextTokens:
    """A tokenizer that writes what it is given: special tokens are no text, and equal tokens in a row stay as many as they are.

    CTC tokenizers collapse repetitions in `decode` unless told not to, which after a CTC decoding makes "helo" of "hello".
    """

    def __init__(self, tokenizer: Any, *, special: Iterable[int] = ()) -> None:
        """Wrap a tokenizer; `special` are further tokens that are no text."""
        self._tokenizer = tokenizer
        self._delimiter = getattr(tokenizer, "word_delimiter_token", None)
        delimiter = {tokenizer.convert_tokens_to_ids(self._delimiter)} if self._delimiter else set()
        self._special = frozenset({*tokenizer.all_special_ids, *special} - delimiter)

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str | None]:
        """Return the tokens' pieces; a delimiter of words, such as wav2vec 2.0's "|", is written as SentencePiece writes a space."""
        return ["▁" if self._delimiter and piece == self._delimiter else piece for piece in self._tokenizer.convert_ids_to_tokens(ids)]

    def decode(self, ids: list[int]) -> str:
        """Return the text of tokens."""
        return self._tokenizer.decode(ids, group_tokens=False)  # type: ignore[no-any-return]

    def text(self, ids: Iterable[int]) -> str:
        """Return the text of tokens among which special ones may be."""
        return self.decode([token for token in ids if token not in self._special]).strip()

    def transcription(self, record: TokenConfidences, *, dtype: str) -> Transcription:
        """Return what a record comes to: its text, words and confidences.

        Args:
            record: of all tokens that were decoded, special ones too.
            dtype: of the computation, for the message.

        Raises:
            UserError: a log-probability is not finite.
        """
        check_finite(record.logprobs, dtype=dtype)
        spoken = [i for i, token in enumerate(record.tokens) if token not in self._special]
        tokens = [record.tokens[i] for i in spoken]
        words = group_into_words(tokens, [record.logprobs[i] for i in spoken], self)
        scored = [spoken[position] for word in words for position in word.scored]
        return Transcription(
            text=self.text(tokens),
            words=tuple(word.word for word in words),
            word_tokens=tuple(len(word.scored) for word in words),
            token_logprobs=tuple(record.logprobs[i] for i in scored),
            token_entropies=tuple(record.entropies[i] for i in scored),
            tempered_logprobs={temperature: tuple(record.tempered[i][k] for i in scored) for k, temperature in enumerate(TEMPERATURES)},
        )


def check_finite(logprobs: Iterable[float], *, dtype: str) -> None:
    """Refuse what overflowed.

    Raises:
        UserError: a log-probability is not finite.
    """
    if not all(map(math.isfinite, logprobs)):
        raise UserError(f"dtype: {dtype!r} makes this model's outputs overflow (allowed: another dtype, e.g. float32)")
