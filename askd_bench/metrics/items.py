"""Items (words or tokens) of many utterances, each right or wrong with some confidence."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.confidence import Confidences

_PACKED_AT = 4096


@dataclass(frozen=True, slots=True)
class Items:
    """Items (words or tokens) of many utterances: one entry an item, in utterance order.

    Attributes:
        utterance: int64, shape (num_items,), the utterance's position in `Scored`.
        correct: bool, shape (num_items,).
        standing: bool, shape (num_items,), it stands in the place of something in the reference, equal or not; an insertion does not.
        confidence: float64, shape (num_items,), in [0, 1], NaN where the runtime gives none.
        tempered: temperature -> float64 (num_items,), the confidence had the logits been divided by it; empty where not stored.
    """

    utterance: NDArray[np.int64]
    correct: NDArray[np.bool_]
    standing: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    tempered: dict[float, NDArray[np.float64]]

    def select(self, keep: NDArray[np.bool_]) -> "Items":
        """Keep the items of the kept utterances (`keep`: bool, one an utterance) and renumber them."""
        items = keep[self.utterance]
        renumbered = (np.cumsum(keep) - 1)[self.utterance[items]]
        return self._taken(items, renumbered)

    def known(self) -> "Items":
        """Keep the items that have a confidence."""
        known = np.isfinite(self.confidence)
        return self._taken(known, self.utterance[known])

    def _taken(self, kept: NDArray[np.bool_], utterance: NDArray[np.int64]) -> "Items":
        tempered = {t: confidence[kept] for t, confidence in self.tempered.items()}
        return Items(utterance, self.correct[kept], self.standing[kept], self.confidence[kept], tempered)


class ItemsBuilder:
    """Grows `Items`: what is added is packed into arrays a few thousand utterances at a time, eight bytes a number."""

    def __init__(self) -> None:
        self._pending: list[tuple[int, Sequence[bool], Sequence[bool], Confidences]] = []
        self._packed: list[Items] = []

    def add(self, utterance: int, correct: Sequence[bool], standing: Sequence[bool], confidences: Confidences) -> None:
        """Add an utterance's items; `utterance`: its position."""
        if self._pending and (len(self._pending) == _PACKED_AT or self._pending[-1][3].temperatures != confidences.temperatures):
            self._pack()
        self._pending.append((utterance, correct, standing, confidences))

    def _pack(self) -> None:
        utterances, correct, standing, confidences = zip(*self._pending, strict=True)
        values = np.concatenate([one.values for one in confidences], axis=1)
        self._packed.append(
            Items(
                np.repeat(np.array(utterances, np.int64), [len(one) for one in correct]),
                np.fromiter(itertools.chain.from_iterable(correct), np.bool_),
                np.fromiter(itertools.chain.from_iterable(standing), np.bool_),
                values[0],
                dict(zip(confidences[0].temperatures, values[1:], strict=True)),
            )
        )
        self._pending = []

    def result(self) -> Items:
        """Return what was added; confidences at a temperature that only some utterances have are NaN for the others."""
        if self._pending:
            self._pack()
        if not self._packed:
            return Items(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.bool_), np.zeros(0), {})
        temperatures = sorted({temperature for block in self._packed for temperature in block.tempered})
        return Items(
            np.concatenate([block.utterance for block in self._packed]),
            np.concatenate([block.correct for block in self._packed]),
            np.concatenate([block.standing for block in self._packed]),
            np.concatenate([block.confidence for block in self._packed]),
            {
                t: np.concatenate([block.tempered.get(t, np.full(len(block.correct), math.nan)) for block in self._packed])
                for t in temperatures
            },
        )
