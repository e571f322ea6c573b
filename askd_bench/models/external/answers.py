"""What the adapters of recognisers that are not ours to run share: checked answers and safe names."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from askd_bench.types import Transcription, Word

UNSTATED = "unstated"
"""A card's dtype or device where the recogniser does not say."""

OPTIONS = ("dtype", "device", "threads", "language", "task", "num_beams", "audio_context")
"""What such a recogniser decides alone, as far as its adapter cannot tell it."""

_ROUNDING = 1e-6


def safe_name(name: str) -> str:
    """Return a name for a result directory, written as Hub ids are.

    >>> safe_name("openai/whisper large:v3"), safe_name("../x")
    ('openai--whisper-large-v3', '--x')
    """
    return re.sub(r"[^\w.\-]", "-", name.replace("/", "--")).lstrip(".") or "model"


def read_transcription(text: object, values: Mapping[str, Any]) -> Transcription:
    """Check what a recogniser answered and return it.

    Args:
        text: the hypothesis.
        values: of these keys, each optional or None: `words`, pairs [text, confidence in [0, 1] or None], whose texts joined by spaces are
            the hypothesis up to white space (without them, its words have no confidence); `token_logprobs`, natural log-probabilities;
            `word_tokens`, how many of these each word has.

    Raises:
        ValueError: something is not so; the message says what, and what is allowed.
    """
    if not isinstance(text, str):
        raise ValueError(f"text is {_shown(text)} (allowed: a string)")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"text is {_shown(text)}, with halves of characters (allowed: Unicode)")
    words = _words(values.get("words"), text)
    logprobs = tuple(min(value, 0.0) for value in _numbers("token_logprobs", values.get("token_logprobs"), most=0.0))
    sizes = values.get("word_tokens")
    if sizes is None:
        return Transcription(text=text, words=words, token_logprobs=logprobs)
    counts = tuple(_numbers("word_tokens", sizes))
    if len(counts) != len(words) or sum(counts) != len(logprobs) or any(count < 0 or count != int(count) for count in counts):
        raise ValueError(
            f"word_tokens are {len(counts)} numbers with sum {sum(counts):g}, of {len(words)} words and {len(logprobs)} token_logprobs "
            "(allowed: how many tokens each word has)"
        )
    return Transcription(text=text, words=words, word_tokens=tuple(int(count) for count in counts), token_logprobs=logprobs)


def _words(pairs: object, text: str) -> tuple[Word, ...]:
    if pairs is None:
        return tuple(Word(word, None) for word in text.split())
    words = []
    for position, pair in enumerate(_listed("words", pairs)):
        try:
            word, confidence = pair
        except (TypeError, ValueError):
            word = confidence = None
        certain = None if confidence is None else _number(confidence)
        if not isinstance(word, str) or (confidence is not None and (certain is None or not -_ROUNDING <= certain <= 1 + _ROUNDING)):
            raise ValueError(f"words[{position}] is {_shown(pair)} (allowed: [text, confidence], a confidence in [0, 1] or null)")
        words.append(Word(word, None if certain is None else min(max(certain, 0.0), 1.0)))
    joined = " ".join(word.text for word in words)
    if joined.split() != text.split():
        raise ValueError(f"words are {_shown(joined)}, but the text is {_shown(text)} (allowed: the words of the text, in order)")
    return tuple(words)


def _numbers(name: str, values: object, *, most: float = math.inf) -> list[float]:
    numbers = []
    for position, value in enumerate([] if values is None else _listed(name, values)):
        number = _number(value)
        if number is None or number > most + _ROUNDING:
            limit = "" if most == math.inf else f" up to {most:g}"
            raise ValueError(f"{name}[{position}] is {_shown(value)} (allowed: finite numbers{limit})")
        numbers.append(number)
    return numbers


def _listed(name: str, values: object) -> list[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise ValueError(f"{name} is {_shown(values)} (allowed: a list)")
    return list(values)


def _number(value: Any) -> float | None:
    """Return a finite number, also one of numpy's or torch's, as float; None for anything else."""
    if isinstance(value, str | bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
