"""Where two recognisers agree with each other against a transcript, word by word."""

import re
from collections.abc import Callable

from rapidfuzz.distance import Levenshtein
from whisper_normalizer.english import EnglishTextNormalizer

Difference = tuple[int, tuple[str, ...], tuple[str, ...]]
"""Position in the reference's words, the words there, the words that both systems heard instead (either may be empty)."""


def spoken_words(text: str) -> list[str]:
    """Return the words as spoken: lower case, hyphens split, no punctuation but inner apostrophes.

    >>> spoken_words("We've CUT off - the micro-wave, 'cause...")
    ["we've", 'cut', 'off', 'the', 'micro', 'wave', 'cause']
    """
    return re.findall(r"[a-z0-9]+(?:'[a-z0-9]+)*", text.lower().replace("’", "'"))


def differences(reference: list[str], hypothesis: list[str]) -> set[Difference]:
    """Return the runs in which a hypothesis differs from the reference.

    >>> differences(["a", "stony", "road"], ["a", "stone", "road"])
    {(1, ('stony',), ('stone',))}
    """
    blocks = Levenshtein.opcodes(reference, hypothesis)
    runs: list[list[int]] = []
    for block in blocks:
        if block.tag == "equal":
            continue
        if runs and runs[-1][1] == block.src_start:  # a substitution beside an insertion is one run
            runs[-1][1], runs[-1][3] = block.src_end, block.dest_end
        else:
            runs.append([block.src_start, block.src_end, block.dest_start, block.dest_end])
    return {(start, tuple(reference[start:end]), tuple(hypothesis[first:last])) for start, end, first, last in runs}


def agreed_alternative(text: str, outputs: tuple[str, str]) -> str | None:
    """Return the transcript with every difference on which both systems agree put in, as spoken words; None where there is none.

    Differences that the Whisper normaliser does not see (spelling variants, contractions) are none.

    >>> agreed_alternative("It's on a hill, I know", ("It's on the hill. I know!", "its on the hill i knew"))
    "it's on the hill i know"
    """
    reference = spoken_words(text)
    agreed = set.intersection(*(differences(reference, spoken_words(output)) for output in outputs))
    words = list(reference)
    for start, old, new in sorted(agreed, reverse=True):
        words[start : start + len(old)] = new
    alternative = " ".join(words)
    return None if same_words(" ".join(reference), alternative) else alternative


def same_words(one: str, other: str, normalise: Callable[[str], str] = EnglishTextNormalizer()) -> bool:  # noqa: B008 (costly, stateless)
    """Whether two texts are the same to the Whisper normaliser, however words are joined or split.

    >>> same_words("The clean-up crew", "the cleanup crew.")
    True
    """
    return normalise(one).replace(" ", "") == normalise(other).replace(" ", "")
