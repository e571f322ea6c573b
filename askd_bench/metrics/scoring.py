"""One pass over rows: each utterance is normalised and aligned once; numbers are all that is kept."""

import math
import re
import zlib
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from askd_bench.errors import UserError
from askd_bench.metrics.alignment import align, count_errors
from askd_bench.metrics.confidence import (
    DEFAULT_AGGREGATION,
    Confidences,
    check_aggregation,
    scored_confidences,
    sources_of,
    token_confidences,
    word_confidences,
)
from askd_bench.metrics.scored import Ragged, Scored
from askd_bench.text import DEFAULT_NORMALISER, Normaliser, normaliser
from askd_bench.types import ErrorCounts, Row

LOOP_ORDER = 5
"""Length in words of the n-grams whose repetition counts as a loop, as in Distil-Whisper's 5-gram duplicates."""

_BRACKETED = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>|\*[^*]+\*|♪[^♪]*♪?")
_WORD_EDGES = ".,!?;:…\"'“”‘’-"


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


class _Items:
    """Grows a `Ragged`, eight bytes a number."""

    def __init__(self) -> None:
        self.utterance = array("q")
        self.correct = array("b")
        self.confidence = array("d")
        self.tempered: dict[float, array[float]] = {}

    def add(self, utterance: int, correct: Sequence[bool], confidences: Confidences) -> None:
        before = len(self.correct)
        self.utterance.extend([utterance] * len(correct))
        self.correct.extend(correct)
        self.confidence.frombytes(confidences.values[0].tobytes())
        for temperature, values in zip(confidences.temperatures, confidences.values[1:], strict=True):
            self.tempered.setdefault(temperature, array("d", [math.nan]) * before).frombytes(values.tobytes())
        for known in self.tempered.values():
            if len(known) < len(self.correct):
                known.extend([math.nan] * (len(self.correct) - len(known)))

    def result(self) -> Ragged:
        return Ragged(
            np.array(self.utterance, np.int64),
            np.array(self.correct, np.bool_),
            np.array(self.confidence, np.float64),
            {t: np.array(values, np.float64) for t, values in sorted(self.tempered.items())},
        )


class _Scorer:
    def __init__(self, normalizer: str, aggregation: str) -> None:
        self.normalizer = normalizer
        self.aggregation = aggregation
        self.normalise: Normaliser = lru_cache(maxsize=65_536)(normaliser(normalizer))
        self.names: dict[str, list[str]] = {name: [] for name in ("condition", "utterance", "speaker", "group")}
        self.numbers = array("d")
        self.count = 0
        self.words, self.tokens = _Items(), _Items()
        self.seen: set[tuple[str, str]] = set()

    def add(self, row: Row) -> None:
        key = (row.condition, row.utterance)
        if key in self.seen:
            raise UserError(f"rows: utterance {row.utterance!r} occurs twice in condition {row.condition!r}; each may occur once")
        self.seen.add(key)
        for name, value in (("condition", row.condition), ("utterance", row.utterance), ("speaker", row.speaker), ("group", row.group)):
            self.names[name].append(value or "")
        reference = self.normalise(row.reference)
        reference_words = reference.split()
        failed = row.hypothesis is None
        raw = row.hypothesis or ""
        hypothesis = self.normalise(raw)
        hypothesis_words = hypothesis.split()
        words, chars = ErrorCounts(), ErrorCounts()
        if not failed:
            correct = [False] * len(hypothesis_words)
            hits = substitutions = deletions = insertions = 0
            for step in align(reference=reference_words, hypothesis=hypothesis_words):
                if step.kind == "hit":
                    hits += 1
                    assert step.hypothesis is not None
                    correct[step.hypothesis] = True
                elif step.kind == "substitution":
                    substitutions += 1
                elif step.kind == "deletion":
                    deletions += 1
                else:
                    insertions += 1
            words = ErrorCounts(hits, substitutions, deletions, insertions)
            chars = count_errors(reference=reference, hypothesis=hypothesis)
            self._add_items(row, hypothesis_words, correct)
        text = raw.encode()
        self.count += 1
        self.numbers.extend(
            (
                row.split == "dev",
                failed,
                row.duration_s,
                math.nan if row.decode_s is None else row.decode_s,
                row.batch,
                words.hits,
                words.substitutions,
                words.deletions,
                words.insertions,
                chars.hits,
                chars.substitutions,
                chars.deletions,
                chars.insertions,
                len(reference_words),
                len(reference),
                bool(hypothesis_words) and set(hypothesis_words).isdisjoint(reference_words),
                max(0, repeated_ngrams(raw) - repeated_ngrams(row.reference)) if raw else 0,
                len(raw.split()),
                sum(len(span.split()) for span in _BRACKETED.findall(raw)),
                len(text),
                len(zlib.compress(text)) if text else 0,
                math.exp(math.fsum(row.token_logprobs) / len(row.token_logprobs)) if row.token_logprobs and not failed else math.nan,
            )
        )

    def _add_items(self, row: Row, hypothesis_words: Sequence[str], correct: Sequence[bool]) -> None:
        """Carry confidences from raw words and tokens over to normalised words, and verdicts back."""
        sources = sources_of(row, hypothesis_words=hypothesis_words, normalise=self.normalise)
        self.words.add(self.count, correct, scored_confidences(word_confidences(row, aggregation=self.aggregation), sources))
        tokens = token_confidences(row)
        if tokens is None:
            return
        verdict: dict[int, bool] = {}
        for source, right in zip(sources, correct, strict=True):
            for i in source:
                verdict[i] = verdict.get(i, True) and right
        of_word = [i for i, size in enumerate(row.word_tokens) for _ in range(size)]
        kept = [k for k, i in enumerate(of_word) if i in verdict]
        taken = Confidences(tokens.values[:, kept], tokens.temperatures)
        self.tokens.add(self.count, [verdict[of_word[k]] for k in kept], taken)

    def result(self) -> Scored:
        columns = np.array(self.numbers, np.float64).reshape(self.count, 22).T
        whole = {
            name: columns[i].astype(np.int64)
            for i, name in enumerate(
                [
                    "batch", "hits", "substitutions", "deletions", "insertions",
                    "char_hits", "char_substitutions", "char_deletions", "char_insertions", "reference_words", "reference_chars",
                ],
                start=4,
            )
        } | {
            name: columns[i].astype(np.int64)
            for i, name in enumerate(["loops", "raw_words", "bracketed_words", "text_bytes", "compressed_bytes"], start=16)
        }  # fmt: skip
        return Scored(
            normalizer=self.normalizer,
            aggregation=self.aggregation,
            condition=np.array(self.names["condition"], np.str_),
            utterance=np.array(self.names["utterance"], np.str_),
            speaker=np.array(self.names["speaker"], np.str_),
            group=np.array(self.names["group"], np.str_),
            dev=columns[0].astype(np.bool_),
            failed=columns[1].astype(np.bool_),
            duration_s=columns[2],
            decode_s=columns[3],
            disjoint=columns[15].astype(np.bool_),
            utterance_confidence=columns[21],
            words=self.words.result(),
            tokens=self.tokens.result(),
            **whole,
        )


def repeated_ngrams(text: str, order: int = LOOP_ORDER) -> int:
    """Count the n-grams of lower-cased words that occurred before in the same text; punctuation at word edges is ignored.

    >>> repeated_ngrams("thank you. Thank you. Thank you. Thank you.", order=2)
    5
    """
    words = [word for raw in text.lower().split() if (word := raw.strip(_WORD_EDGES))]
    count = len(words) - order + 1
    return count - len({tuple(words[i : i + order]) for i in range(count)}) if count > 1 else 0
