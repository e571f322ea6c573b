"""OpenAI's English normaliser, from the package that carries it."""

from collections.abc import Callable

from whisper_normalizer.english import EnglishTextNormalizer

Normaliser = Callable[[str], str]

_ADDED_BY_THE_PACKAGE = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")


def openai_english() -> EnglishTextNormalizer:
    """Return a new instance that does what openai/whisper's and transformers' normalisers do.

    The package has added four replacements that OpenAI's does not have ("kinda", "sorta", "dunno", and "cause" -> "because"); they are
    taken out again, so that scores are comparable with published ones.
    """
    whisper = EnglishTextNormalizer()
    for pattern in _ADDED_BY_THE_PACKAGE:
        whisper.replacers.pop(pattern, None)
    return whisper
