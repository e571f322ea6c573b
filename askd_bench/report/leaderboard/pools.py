"""Boards laid end to end, each clip once: what a figure over several corpora or suites is computed on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import Clusters, cluster_by
from askd_bench.metrics.systems import DELETED, Aligned, OnReference
from askd_bench.report.leaderboard.boards import Arrays, Board, Statistics

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One board or several, and the models that are on all of them.

    Attributes:
        boards: laid end to end.
        models: on every board.
        aligned: these models, in this order; conditions are named `suite/corpus/condition`, utterances `corpus/utterance`.
        kept: bool an utterance, for each board: a clip that several suites share (clean speech, above all) counts once.
        clean: bool, shape (num_utterances,), heard in its board's baseline condition.
        clusters: what intervals resample; an utterance's conditions and suites stay together.
    """

    boards: tuple[Board, ...]
    models: tuple[str, ...]
    aligned: Aligned
    kept: tuple[Mask, ...]
    clean: Mask
    clusters: Clusters
    weights: NDArray[np.float64]

    def statistics(self, model: str) -> Statistics:
        """Return the model's statistics, shape (num_utterances,) or (num_utterances, bins) each."""
        parts = [board.statistics[model] for board in self.boards]
        return Statistics(
            plain=self._laid([part.plain for part in parts]),
            degraded=self._laid([part.degraded for part in parts]),
            words=self._laid([part.words for part in parts]),
        )

    def _laid(self, parts: Sequence[Arrays]) -> Arrays:
        """Lay end to end what is kept; a board without a statistic (degradation, where there is nothing but clean speech) has zeros."""
        names = dict.fromkeys(name for part in parts for name in part)
        return {
            name: np.concatenate(
                [part[name][kept] if name in part else np.zeros(kept.sum()) for part, kept in zip(parts, self.kept, strict=True)]
            )
            for name in names
        }


def pool(boards: Sequence[Board]) -> Pool:
    """Lay boards end to end; at least one."""
    models = tuple(name for name in boards[0].models if all(name in board.results for board in boards))
    kept = tuple(_first_time(boards))
    aligned = _joined(boards, models, kept)
    clean = np.concatenate([board.aligned.condition[keep] == board.baseline for board, keep in zip(boards, kept, strict=True)])
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    weights = _weights(boards, kept)
    return Pool(boards=tuple(boards), models=models, aligned=aligned, kept=kept, clean=clean, clusters=clusters, weights=weights)


def _weights(boards: Sequence[Board], kept: Sequence[Mask]) -> NDArray[np.float64]:
    """Weigh utterances so that suites count alike, and within a suite its corpora, however many words each has."""
    words = [int((board.aligned.reference_words * keep).sum()) for board, keep in zip(boards, kept, strict=True)]
    spoken = [board.suite for board, count in zip(boards, words, strict=True) if count]
    share = [
        1 / (len(set(spoken)) * spoken.count(board.suite) * count) if count else 0.0 for board, count in zip(boards, words, strict=True)
    ]
    # one board: its counts as they are
    return np.repeat(share if len(spoken) > 1 else np.ones(len(boards)), [int(keep.sum()) for keep in kept])


def _first_time(boards: Sequence[Board]) -> list[Mask]:
    """Say of each board's utterances whether the clip, by corpus, utterance and hash, was on no board before."""
    seen: set[tuple[str, str, str]] = set()
    masks = []
    for board in boards:
        clips = [(board.corpus, str(u), str(sha256)) for u, sha256 in zip(board.aligned.utterance, board.audio, strict=True)]
        masks.append(np.array([not clip[2] or clip not in seen for clip in clips], np.bool_))
        seen.update(clips)
    return masks


def _joined(boards: Sequence[Board], models: Sequence[str], kept: Sequence[Mask]) -> Aligned:
    vocabulary: dict[str, int] = {}
    pieces = []
    for board, keep in zip(boards, kept, strict=True):
        numbers = np.array([vocabulary.setdefault(word, len(vocabulary)) for word in board.aligned.words], np.int64)
        systems = tuple(board.aligned.systems[board.models.index(model)] for model in models)
        pieces.append(_cut(board, keep, numbers, systems))
    sizes = np.cumsum([0, *(len(piece.utterance) for piece in pieces)])
    return Aligned(
        condition=np.concatenate([piece.condition for piece in pieces]),
        utterance=np.concatenate([piece.utterance for piece in pieces]),
        speaker=np.concatenate([piece.speaker for piece in pieces]),
        reference=np.concatenate([piece.reference for piece in pieces]),
        word_utterance=np.concatenate([piece.word_utterance + start for piece, start in zip(pieces, sizes, strict=False)]),
        systems=tuple(
            OnReference(*(np.concatenate([getattr(piece.systems[k], name) for piece in pieces]) for name in _OUTCOMES))
            for k in range(len(models))
        ),
        words=tuple(vocabulary),
    )


_OUTCOMES = ("outcome", "confidence", "inserted", "failed")


def _cut(board: Board, keep: Mask, numbers: NDArray[np.int64], systems: Sequence[OnReference]) -> Aligned:
    """Return a board's kept utterances under names that are unique over all boards, words numbered anew."""
    aligned = board.aligned
    words, gaps = keep[aligned.word_utterance], keep[aligned.gap_utterance]
    return Aligned(
        condition=np.array([f"{board.suite}/{board.corpus}/{name}" for name in aligned.condition[keep]], np.str_),
        utterance=np.array([f"{board.corpus}/{name}" for name in aligned.utterance[keep]], np.str_),
        speaker=aligned.speaker[keep],
        reference=numbers[aligned.reference[words]],
        word_utterance=(np.cumsum(keep) - 1)[aligned.word_utterance[words]],
        systems=tuple(
            OnReference(
                np.where(one.outcome[words] == DELETED, DELETED, numbers[one.outcome[words]]) if len(numbers) else one.outcome[words],
                one.confidence[words],
                one.inserted[gaps],
                one.failed[keep],
            )
            for one in systems
        ),
        words=(),
    )
