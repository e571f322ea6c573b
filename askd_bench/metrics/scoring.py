"""One pass over rows: each utterance is normalised and aligned once, and arrays are left that every metric is a function of."""

import math
import re
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.metrics.alignment import count_errors
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION, Confidences, check_aggregation, token_confidences
from askd_bench.metrics.items import Items, ItemsBuilder
from askd_bench.metrics.utterance import AlignedUtterance, align_utterance
from askd_bench.text import DEFAULT_NORMALISER, Normaliser, normaliser
from askd_bench.types import ErrorCounts, Row

LOOP_ORDER = 5
"""Length in words of the n-grams whose repetition counts as a loop, as in Distil-Whisper's 5-gram duplicates."""

_BRACKETED = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>|\*[^*]+\*|♪[^♪]*♪?")
_NAMES = ("condition", "utterance", "speaker", "group")
_WORD_EDGES = ".,!?;:…\"'“”‘’-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Sufficient statistics of n utterances; each array has shape (n,) unless said otherwise.

    An utterance without hypothesis (`failed`) has zero counts everywhere but in `reference_words` and `reference_chars`; it enters no rate,
    and its number is reported beside every table.

    Attributes:
        normalizer: name of the normaliser.
        aggregation: name of the aggregation of token values into word confidences.
        condition, utterance, speaker, group: str; "" for unknown speaker or group.
        dev: bool, the utterance serves for fitting only.
        failed: bool, no hypothesis.
        duration_s: float64, seconds of audio. decode_s: float64, NaN where there is no valid timing. batch: int64.
        hits, substitutions, deletions, insertions: int64, words. char_*: the same for characters of the normalised text, spaces included.
        reference_words, reference_chars: int64, of the normalised reference, failed utterances included.
        disjoint: bool, there is a hypothesis and no word of it occurs in the reference (normalised).
        loops: int64, repeated 5-grams of the raw hypothesis beyond those of the raw reference.
        raw_words: int64, white-space separated words of the raw hypothesis. bracketed_words: int64, those of them in brackets, *..* or
        notes. text_bytes, compressed_bytes: int64, UTF-8 bytes of the raw hypothesis before and after zlib.
        utterance_confidence: float64 in [0, 1], exp(mean token log-probability), NaN where there are no tokens.
        words: one item per normalised hypothesis word; standing = aligned with a reference word, correct = with an equal one.
        tokens: one item per token of a raw word that has a verdict; standing or correct = every scored word from its raw word is.
    """

    normalizer: str
    aggregation: str
    condition: NDArray[np.str_]
    utterance: NDArray[np.str_]
    speaker: NDArray[np.str_]
    group: NDArray[np.str_]
    dev: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    duration_s: NDArray[np.float64]
    decode_s: NDArray[np.float64]
    batch: NDArray[np.int64]
    hits: NDArray[np.int64]
    substitutions: NDArray[np.int64]
    deletions: NDArray[np.int64]
    insertions: NDArray[np.int64]
    char_hits: NDArray[np.int64]
    char_substitutions: NDArray[np.int64]
    char_deletions: NDArray[np.int64]
    char_insertions: NDArray[np.int64]
    reference_words: NDArray[np.int64]
    reference_chars: NDArray[np.int64]
    disjoint: NDArray[np.bool_]
    loops: NDArray[np.int64]
    raw_words: NDArray[np.int64]
    bracketed_words: NDArray[np.int64]
    text_bytes: NDArray[np.int64]
    compressed_bytes: NDArray[np.int64]
    utterance_confidence: NDArray[np.float64]
    words: Items
    tokens: Items

    def __len__(self) -> int:
        return len(self.condition)

    @property
    def errors(self) -> NDArray[np.int64]:
        """Word errors of each utterance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def hypothesis_words(self) -> NDArray[np.int64]:
        """Normalised hypothesis words of each utterance."""
        return self.hits + self.substitutions + self.insertions

    def select(self, keep: NDArray[np.bool_]) -> Self:
        """Return the utterances where `keep` (bool, shape (n,)) is true."""
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                changes[field.name] = value[keep]
            elif isinstance(value, Items):
                changes[field.name] = value.select(keep)
        return replace(self, **changes)


def score(rows: Iterable[Row], *, normalizer: str = DEFAULT_NORMALISER, aggregation: str = DEFAULT_AGGREGATION) -> Scored:
    """Score rows, streaming: nothing but numbers and names is kept of them.

    Args:
        rows: any order; each (condition, utterance) at most once.
        normalizer: a name of `askd_bench.text.NORMALISERS`.
        aggregation: how a word's confidence follows from its tokens, a name of `askd_bench.metrics.confidence`.

    Raises:
        UserError: unknown name; a (condition, utterance) that occurs twice.
    """
    check_aggregation(aggregation)
    scorer = _Scorer(normalizer, aggregation)
    for row in rows:
        scorer.add(row)
    return scorer.result()


class _Numbers(NamedTuple):
    """What `Scored` keeps of one row besides names, under the same names and of the same types."""

    dev: bool
    failed: bool
    duration_s: float
    decode_s: float
    batch: int
    hits: int
    substitutions: int
    deletions: int
    insertions: int
    char_hits: int
    char_substitutions: int
    char_deletions: int
    char_insertions: int
    reference_words: int
    reference_chars: int
    disjoint: bool
    loops: int
    raw_words: int
    bracketed_words: int
    text_bytes: int
    compressed_bytes: int
    utterance_confidence: float


class _Scorer:
    def __init__(self, normalizer: str, aggregation: str) -> None:
        self.normalizer = normalizer
        self.aggregation = aggregation
        self.normalise: Normaliser = normaliser(normalizer)
        self.names: dict[str, list[str]] = {name: [] for name in _NAMES}
        self.count = 0
        self.numbers = array("d")
        self.words, self.tokens = ItemsBuilder(), ItemsBuilder()
        self.seen: set[tuple[str, str]] = set()

    def add(self, row: Row) -> None:
        key = (row.condition, row.utterance)
        if key in self.seen:
            raise UserError(f"rows: utterance {row.utterance!r} occurs twice in condition {row.condition!r}; each may occur once")
        self.seen.add(key)
        aligned = align_utterance(row, normalise=self.normalise, aggregation=self.aggregation)
        if row.hypothesis is not None:
            self._add_items(row, aligned)
        for name, values in self.names.items():
            values.append(getattr(row, name) or "")
        self.numbers.extend(_numbers(row, aligned))
        self.count += 1

    def _add_items(self, row: Row, aligned: AlignedUtterance) -> None:
        """Keep the confidences of words and tokens, and carry the verdicts on words back to their tokens."""
        kinds = [step.kind for step in aligned.steps if step.hypothesis is not None]  # in the hypothesis' order
        position, correct, standing = self.count, [kind == "hit" for kind in kinds], [kind != "insertion" for kind in kinds]
        self.words.add(position, correct, standing, aligned.confidences)
        tokens = token_confidences(row)
        if tokens is None:
            return
        right, stands = _of_all(aligned.sources, correct), _of_all(aligned.sources, standing)
        of_word = [i for i, size in enumerate(row.word_tokens) for _ in range(size)]
        kept = [k for k, i in enumerate(of_word) if i in right]
        taken = Confidences(tokens.values[:, kept], tokens.temperatures)
        self.tokens.add(position, [right[of_word[k]] for k in kept], [stands[of_word[k]] for k in kept], taken)

    def result(self) -> Scored:
        columns = np.array(self.numbers, np.float64).reshape(self.count, len(_Numbers._fields)).T
        types = _Numbers.__annotations__
        arrays: dict[str, NDArray[Any]] = {name: np.array(values, np.str_) for name, values in self.names.items()}
        arrays |= {name: column.astype(types[name]) for name, column in zip(_Numbers._fields, columns, strict=True)}
        return Scored(
            normalizer=self.normalizer, aggregation=self.aggregation, words=self.words.result(), tokens=self.tokens.result(), **arrays
        )


def _of_all(sources: Sequence[tuple[int, ...]], verdicts: Sequence[bool]) -> dict[int, bool]:
    """Return of each raw word whether the verdict holds of every scored word that comes from it."""
    found: dict[int, bool] = {}
    for source, holds in zip(sources, verdicts, strict=True):
        for i in source:
            found[i] = found.get(i, True) and holds
    return found


def _numbers(row: Row, aligned: AlignedUtterance) -> _Numbers:
    failed, raw = row.hypothesis is None, row.hypothesis or ""
    words, chars = ErrorCounts(), ErrorCounts()
    if not failed:
        kinds = [step.kind for step in aligned.steps]
        words = ErrorCounts(*(kinds.count(kind) for kind in ("hit", "substitution", "deletion", "insertion")))
        chars = count_errors(reference=aligned.reference_text, hypothesis=aligned.hypothesis_text)
    text = raw.encode("utf-8", "surrogatepass")  # half a surrogate pair is text like any other
    logprobs = row.token_logprobs if not failed else ()
    return _Numbers(
        dev=row.split == "dev",
        failed=failed,
        duration_s=row.duration_s,
        decode_s=math.nan if row.decode_s is None else row.decode_s,
        batch=row.batch,
        hits=words.hits,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        char_hits=chars.hits,
        char_substitutions=chars.substitutions,
        char_deletions=chars.deletions,
        char_insertions=chars.insertions,
        reference_words=len(aligned.reference),
        reference_chars=len(aligned.reference_text),
        disjoint=bool(aligned.hypothesis) and set(aligned.hypothesis).isdisjoint(aligned.reference),
        loops=max(0, repeated_ngrams(raw) - repeated_ngrams(row.reference)) if raw else 0,
        raw_words=len(raw.split()),
        bracketed_words=sum(len(span.split()) for span in _BRACKETED.findall(raw)),
        text_bytes=len(text),
        compressed_bytes=len(zlib.compress(text)) if text else 0,
        utterance_confidence=math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else math.nan,
    )


def repeated_ngrams(text: str, order: int = LOOP_ORDER) -> int:
    """Count the n-grams of lower-cased words that occurred before in the same text; punctuation at word edges is ignored.

    >>> repeated_ngrams("thank you. Thank you. Thank you. Thank you.", order=2)
    5
    """
    words = [word for raw in text.lower().split() if (word := raw.strip(_WORD_EDGES))]
    count = len(words) - order + 1
    return count - len({tuple(words[i : i + order]) for i in range(count)}) if count > 1 else 0
