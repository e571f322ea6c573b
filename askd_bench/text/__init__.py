"""Named, versioned text normalisers: what counts as "the same word" is a choice, so it has a name and a version in every result.

Rows keep raw text; a normaliser is applied when they are scored. A version changes whenever any output could change.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache

from askd_bench.errors import unknown_name

Normaliser = Callable[[str], str]
"""Raw text -> normalised text."""

NORMALISERS: dict[str, str] = {
    "whisper-english": "1",
    "whisper-basic": "1",
    "open-asr": "2026-06",
    "none": "1",
}
"""Name -> version. The pair goes into signatures and summaries."""

DEFAULT_NORMALISER = "whisper-english"

_ELLIPSIS = re.compile(r"\.{2,}|…")
_STRAY_PERIODS = re.compile(r"(?<!\S)\.+(?!\S)")


def normaliser(name: str) -> Normaliser:
    """Return the normaliser of that name: text in, words separated by single spaces out, without space at the ends.

    - `whisper-english`: the English normaliser of OpenAI's Whisper (Radford et al. 2022, appendix C), after ellipses are removed, which it
      would otherwise leave behind as a stray "." that counts as a word.
    - `whisper-basic`: Whisper's normaliser for other languages: lower case, no bracketed text, punctuation to spaces.
    - `open-asr`: the Open ASR Leaderboard's variant of `whisper-english`, see `askd_bench.text.open_asr`.
    - `none`: the text as it is; only runs of white space become one space.

    The first three delete text in brackets and so hide some hallucination: `metrics.hallucination` counts brackets on raw text.

    >>> normaliser("whisper-english")("Mr. Neill can't pay twenty-five dollars... [laughs]")
    'mister neill can not pay $25'
    >>> normaliser("none")(" As  it is. ")
    'As it is.'

    Raises:
        UserError: unknown name; the message offers the nearest ones.
    """
    if name not in NORMALISERS:
        raise unknown_name("normalizer", name, NORMALISERS)
    return _remembering(name)


@cache
def _remembering(name: str) -> Normaliser:
    """Constructed once, on first use: the spelling table behind the English one is a file read. And the latest texts are known again:
    references and words recur in every condition and every model.
    """
    return lru_cache(maxsize=65_536)(_build(name))


def _build(name: str) -> Normaliser:
    if name == "whisper-english":
        from askd_bench.text.whisper import openai_english

        whisper = openai_english()
        return lambda text: _tidy(whisper(_ELLIPSIS.sub(" ", text)))
    if name == "whisper-basic":
        from whisper_normalizer.basic import BasicTextNormalizer

        basic = BasicTextNormalizer()
        return lambda text: " ".join(str(basic(text)).split())
    if name == "open-asr":
        from askd_bench.text.open_asr import open_asr_normaliser

        return open_asr_normaliser()
    return lambda text: " ".join(text.split())


def _tidy(text: str) -> str:
    return " ".join(_STRAY_PERIODS.sub(" ", text).split())
