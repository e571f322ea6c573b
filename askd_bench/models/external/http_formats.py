"""Forms in which a transcription server can be asked, and what its answers say of the confidence of tokens or words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askd_bench.models.decoding.words import group_into_words
from askd_bench.models.external.answers import read_transcription
from askd_bench.types import Transcription

FORMS = {
    "tokens": {"response_format": "json", "include[]": "logprobs"},
    "words": {"response_format": "verbose_json", "timestamp_granularities[]": "word"},
    "none": {"response_format": "json"},
}
"""Confidences -> fields of the form that asks for them (OpenAI's API reference, "Create transcription")."""


def transcription_of(answer: Mapping[str, Any]) -> Transcription:
    """Return what an answer says, with the confidences of its tokens or words where these are there and fit the text, else without.

    >>> logprobs = [{"token": "Good", "logprob": -0.1}, {"token": " day", "logprob": -0.7}, {"token": ".", "logprob": -2.0}]
    >>> transcription_of({"text": "Good day.", "logprobs": logprobs}).words
    (Word(text='Good', confidence=0.9048374180359595), Word(text='day.', confidence=0.4965853037914095))

    Raises:
        ValueError: the text is none.
    """
    text = answer.get("text")
    if isinstance(text, str):
        for values in (_of_tokens(answer.get("logprobs")), _of_words(answer.get("words"))):
            try:
                if values:
                    return read_transcription(text.strip(), values)
            except ValueError:
                continue
    return read_transcription(text.strip() if isinstance(text, str) else text, {})


def _of_tokens(logprobs: object) -> dict[str, Any] | None:
    try:
        spoken = [one for one in logprobs if not str(one["token"]).startswith("<|")]  # type: ignore[attr-defined]
        pieces = [bytes(one["bytes"]) if one.get("bytes") else str(one["token"]).encode() for one in spoken]
        values = [min(float(one["logprob"]), 0.0) for one in spoken]
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None
    words = group_into_words(range(len(pieces)), values, _Pieces(pieces))
    scored = [position for word in words for position in word.scored]
    return {
        "words": [(word.word.text, word.word.confidence) for word in words],
        "word_tokens": [len(word.scored) for word in words],
        "token_logprobs": [values[position] for position in scored],
    }


def _of_words(words: object) -> dict[str, Any] | None:
    try:
        return {"words": [(str(one["word"]).strip(), one["probability"]) for one in words]}  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        return None


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A tokenizer of the tokens of one answer, numbered as they come."""

    pieces: Sequence[bytes]

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str | None]:
        return ["Ġ" if self.pieces[i][:1].isspace() else "" for i in ids]

    def decode(self, ids: list[int]) -> str:
        return b"".join(self.pieces[i] for i in ids).decode("utf-8", "replace")
