"""Minimal edit alignment of words, the base of every count."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Levenshtein

from askd_bench.types import ErrorCounts

Kind = Literal["hit", "substitution", "deletion", "insertion"]


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """One step of an alignment; indices point into the two sequences, None on the side that has no word."""

    kind: Kind
    reference: int | None
    hypothesis: int | None


def align(*, reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> Iterator[AlignedWord]:
    """Yield a minimal-edit alignment in order: all of substitution, deletion and insertion cost 1.

    Several alignments can be minimal; the one taken is rapidfuzz's, the same as jiwer's. The number of errors does not depend on the
    choice; how they split into substitutions, deletions and insertions may (sclite weighs 4, 3, 3 and so prefers more substitutions).

    >>> [step.kind for step in align(reference="a b c".split(), hypothesis="a x c d".split())]
    ['hit', 'substitution', 'hit', 'insertion']
    """
    for code in Levenshtein.opcodes(reference, hypothesis):
        if code.tag == "equal" or code.tag == "replace":
            kind: Kind = "hit" if code.tag == "equal" else "substitution"
            for offset in range(code.src_end - code.src_start):
                yield AlignedWord(kind, code.src_start + offset, code.dest_start + offset)
        elif code.tag == "delete":
            for i in range(code.src_start, code.src_end):
                yield AlignedWord("deletion", i, None)
        else:
            for j in range(code.dest_start, code.dest_end):
                yield AlignedWord("insertion", None, j)


def count_errors(*, reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> ErrorCounts:
    """Count hits and errors between two sequences: lists of words for WER, strings (sequences of characters, spaces included) for CER.

    >>> count_errors(reference="the cat sat".split(), hypothesis="the hat sat down".split())
    ErrorCounts(hits=2, substitutions=1, deletions=0, insertions=1)
    """
    substitutions = deletions = insertions = 0
    for operation in Levenshtein.editops(reference, hypothesis):
        if operation.tag == "replace":
            substitutions += 1
        elif operation.tag == "delete":
            deletions += 1
        else:
            insertions += 1
    return ErrorCounts(len(reference) - substitutions - deletions, substitutions, deletions, insertions)
