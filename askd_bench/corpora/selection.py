"""Chooses which utterances of a corpus to use: a split, and a seeded sample spread evenly over the speakers."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from askd_bench.corpora.base import Corpus, Digest
from askd_bench.errors import UserError
from askd_bench.types import Split, Utterance

SEED_RULE = "askd-bench/select/1"
"""Names the rule below; it changes whenever the rule chooses differently."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    speaker_order: str
    order: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Selection(Corpus):
    """The utterances of `corpus` that are of `split` (None: of any) and among `ids` (None: all)."""

    corpus: Corpus
    split: Split | None
    ids: frozenset[str] | None

    def __post_init__(self) -> None:
        """Say what its corpus leaves out."""
        object.__setattr__(self, "left_out", self.corpus.left_out)

    def __iter__(self) -> Iterator[Utterance]:
        """Yield the chosen utterances in the corpus' order; reads no further than the last."""
        return self._chosen(self.corpus)

    def metadata(self) -> Iterator[Utterance]:
        """Yield them, perhaps without audio."""
        return self._chosen(self.corpus.metadata())

    def fingerprint(self) -> str:
        """Return the sha256 of the corpus' fingerprint, the split and the chosen ids."""
        digest = Digest()
        digest.add(self.corpus.fingerprint(), self.split, None if self.ids is None else sorted(self.ids))
        return digest.hex()

    def _chosen(self, utterances: Iterable[Utterance]) -> Iterator[Utterance]:
        left = None if self.ids is None else len(self.ids)
        for utterance in utterances:
            if left == 0:
                return
            if self.split in (None, utterance.split) and (self.ids is None or utterance.id in self.ids):
                left = None if left is None else left - 1
                yield utterance


def select(corpus: Corpus, limit: int | None = None, *, split: Split | None = None, seed: int = 0) -> Corpus:
    """Return a corpus of at most `limit` utterances of `corpus`: a seeded sample, stratified by speaker, never the first ones.

    Each speaker's utterances are ordered by SHA-256 of (seed rule, seed, corpus name, utterance id), the speakers likewise; then they take
    turns until `limit` are chosen. An utterance without a speaker is a speaker of its own. So the choice depends on ids and speakers
    alone, not on the source's order, and what is chosen for N is also chosen for N + 1.

    With a limit, the corpus' metadata are read through once here (for a hub corpus: the columns without audio, where the format allows)
    and its audio later, up to the last utterance chosen. Memory holds a few times `limit` ids, never audio.

    Args:
        corpus: the source.
        limit: how many utterances, 1 or more; None takes all.
        split: keep "dev" or "test" utterances only; None keeps both.
        seed: another one gives another sample.

    Raises:
        UserError: `limit` is below 1, or nothing is left to choose from.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit: {limit} must be 1 or more")
    ids = None
    if limit is not None:
        of_split = (utterance for utterance in corpus.metadata() if split in (None, utterance.split))
        ids = _sample(of_split, limit, f"{SEED_RULE}\0{seed}\0{corpus.name}")
    elif split is not None and not any(utterance.split == split for utterance in corpus.metadata()):
        ids = frozenset()
    if ids is not None and not ids:
        raise UserError(f"corpus: {corpus.name!r} has no {f'{split!r} ' if split else ''}utterances")
    return Selection(
        name=corpus.name,
        source=corpus.source,
        description=corpus.description,
        licence=corpus.licence,
        group_is=corpus.group_is,
        speaker_is=corpus.speaker_is,
        corpus=corpus,
        split=split,
        ids=ids,
    )


def _sample(utterances: Iterable[Utterance], limit: int, seed: str) -> frozenset[str]:
    # Dropping candidates early is exact: those that stand before a dropped one only grow in number as more arrive.
    candidates: list[_Candidate] = []
    for utterance in utterances:
        speaker = f"utterance\0{utterance.id}" if utterance.speaker is None else f"speaker\0{utterance.speaker}"
        candidates.append(_Candidate(_sha256(seed, speaker), _sha256(seed, "utterance", utterance.id), utterance.id))
        if len(candidates) >= 4 * limit + 1024:
            candidates = _first(candidates, limit)
    return frozenset(candidate.id for candidate in _first(candidates, limit))


def _first(candidates: Iterable[_Candidate], limit: int) -> list[_Candidate]:
    """Return the `limit` candidates whose turn comes first: the best of each speaker, then the second best of each..."""
    by_speaker: defaultdict[str, list[_Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda candidate: (candidate.order, candidate.id)):
        by_speaker[candidate.speaker_order].append(candidate)
    turns = [(turn, candidate) for own in by_speaker.values() for turn, candidate in enumerate(own)]
    turns.sort(key=lambda turn: (turn[0], turn[1].speaker_order))
    return [candidate for _, candidate in turns[:limit]]


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
