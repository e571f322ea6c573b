"""One pass over rows: each utterance is normalised and aligned once; numbers are all that is kept."""

import itertools
import math
import re
import zlib
from array import array
from collections.abc import Iterable, Sequence

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
_PACKED_AT = 4096
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
    """Grows a `Ragged`: what is added is packed into arrays a few thousand utterances at a time, eight bytes a number."""

    def __init__(self) -> None:
        self._pending: list[tuple[int, Sequence[bool], Confidences]] = []
        self._packed: list[Ragged] = []

    def add(self, utterance: int, correct: Sequence[bool], confidences: Confidences) -> None:
        if self._pending and (len(self._pending) == _PACKED_AT or self._pending[-1][2].temperatures != confidences.temperatures):
            self._pack()
        self._pending.append((utterance, correct, confidences))

    def _pack(self) -> None:
        utterances, correct, confidences = zip(*self._pending, strict=True)
        values = np.concatenate([one.values for one in confidences], axis=1)
        self._packed.append(
            Ragged(
                np.repeat(np.array(utterances, np.int64), [len(one) for one in correct]),
                np.fromiter(itertools.chain.from_iterable(correct), np.bool_),
                values[0],
                dict(zip(confidences[0].temperatures, values[1:], strict=True)),
            )
        )
        self._pending = []

    def result(self) -> Ragged:
        if self._pending:
            self._pack()
        if not self._packed:
            return Ragged(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0), {})
        temperatures = sorted({temperature for block in self._packed for temperature in block.tempered})
        return Ragged(
            np.concatenate([block.utterance for block in self._packed]),
            np.concatenate([block.correct for block in self._packed]),
            np.concatenate([block.confidence for block in self._packed]),
            {
                t: np.concatenate([block.tempered.get(t, np.full(len(block.correct), math.nan)) for block in self._packed])
                for t in temperatures
            },
        )


class _Scorer:
    def __init__(self, normalizer: str, aggregation: str) -> None:
        self.normalizer = normalizer
        self.aggregation = aggregation
        self.normalise: Normaliser = normaliser(normalizer)
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
        text = raw.encode("utf-8", "surrogatepass")  # half a surrogate pair is text like any other
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
