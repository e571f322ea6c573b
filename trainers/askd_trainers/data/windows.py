"""Utterances laid one after another into windows of an encoder, so that little of a window is padding."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from askd_bench.errors import UserError
from askd_bench.types import SAMPLING_RATE, Samples
from askd_trainers.data.encoder_states import Frontend, FrozenEncoder
from askd_trainers.data.examples import Example


@dataclass(frozen=True, slots=True)
class Piece:
    """Where an utterance stands in a window: its number, and its first sample there."""

    utterance: int
    start: int


Window = tuple[Piece, ...]


def pack(lengths: Sequence[int], window: int, *, pause: tuple[int, int], rng: np.random.Generator) -> list[Window]:
    """Lay utterances into windows in random order; a window ends where the next utterance does not fit.

    Args:
        lengths: of the utterances, in samples.
        window: its length in samples; no utterance is longer.
        pause: the shortest and the longest silence between two utterances, in samples.
        rng: decides order and pauses.

    Returns:
        windows that hold each utterance once.

    >>> rng = np.random.default_rng(0)
    >>> [[piece.utterance for piece in one] for one in pack([40, 40, 70], 100, pause=(5, 10), rng=rng)]
    [[2], [0, 1]]
    """
    windows: list[list[Piece]] = []
    end = window
    for utterance in rng.permutation(len(lengths)).tolist():
        start = end + int(rng.integers(pause[0], pause[1] + 1))
        if start + lengths[utterance] > window:
            windows.append([])
            start = 0
        windows[-1].append(Piece(utterance, start))
        end = start + lengths[utterance]
    return [tuple(pieces) for pieces in windows]


def alone(utterances: Iterable[int]) -> list[Window]:
    """Return windows of one utterance each."""
    return [(Piece(utterance, 0),) for utterance in utterances]


class WindowDataset(Dataset[dict[str, Any]]):
    """Windows as items: the student's features, and the states of the teacher's frozen encoder, or the features for them.

    Args:
        windows: what stands where.
        views: as many lists as there are ways in which the utterances sound; each has all of them, in the same order, the clean first.
        teacher_hears: "same" as the student, or "clean": `views[0]`.
        teacher: its encoder and cache.
        frontend: the student's features.

    An item is a window in one view: item `i` is window `i % len(windows)` of `views[i // len(windows)]`.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        views: Sequence[Sequence[Example]],
        *,
        teacher_hears: str,
        teacher: FrozenEncoder,
        frontend: Frontend,
    ) -> None:
        self.windows, self.views, self.teacher_hears = windows, views, teacher_hears
        self.teacher, self.frontend = teacher, frontend

    def __len__(self) -> int:
        return len(self.windows) * len(self.views)

    def __getitem__(self, index: int) -> dict[str, Any]:
        examples, window, taught = self._item(index)
        samples = lay(window, examples)
        states = self.teacher.cached(audio_key(window, taught))
        if states is not None:
            return {"features": self.frontend(samples), "states": states}
        clean = samples if taught is examples else lay(window, taught)
        return {"features": self.frontend(samples), "teacher_features": self.teacher.frontend(clean)}

    def fill_cache(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Compute the teacher's states that are not in its cache yet, until it is full; return how many did not fit."""
        if self.teacher.cache is None:
            return 0
        wanted: dict[str, tuple[Window, Sequence[Example]]] = {}
        for index in range(len(self)):
            _, window, taught = self._item(index)
            wanted.setdefault(audio_key(window, taught), (window, taught))
        missing = [(key, *what) for key, what in wanted.items() if self.teacher.cached(key) is None]
        for done, (key, window, taught) in enumerate(missing, 1):
            if not self.teacher.store(key, lay(window, taught)):
                return len(missing) - done + 1
            if progress is not None:
                progress(done, len(missing))
        return 0

    def _item(self, index: int) -> tuple[Sequence[Example], Window, Sequence[Example]]:
        """Return the student's view, the window, and the teacher's view."""
        way, number = divmod(index, len(self.windows))
        return self.views[way], self.windows[number], self.views[0 if self.teacher_hears == "clean" else way]


def lay(window: Window, examples: Sequence[Example]) -> Samples:
    """Return the audio of a window up to the end of its last utterance, float32.

    Raises:
        UserError: an utterance is not as long as its record says, by which windows are packed.
    """
    parts = [examples[piece.utterance].samples() for piece in window]
    for piece, samples in zip(window, parts, strict=True):
        example = examples[piece.utterance]
        if abs(len(samples) - length_in_samples(example)) > SAMPLING_RATE // 50:
            said, found = example.utterance.duration_s or 0.0, len(samples) / SAMPLING_RATE
            raise UserError(
                f"data: utterance {example.id!r} is {found:.3f} s long, and its record says {said:.3f}; mend it, or leave it out"
            )
    audio: Samples = np.zeros(window[-1].start + len(parts[-1]), np.float32)
    for piece, samples in zip(window, parts, strict=True):
        audio[piece.start : piece.start + len(samples)] = samples
    return audio


def audio_key(window: Window, examples: Sequence[Example]) -> str:
    """Return the hash of what the audio depends on; an utterance alone, from the beginning, has its own key."""
    keys = [(piece.start, examples[piece.utterance].audio_key()) for piece in window]
    return keys[0][1] if len(keys) == 1 and not keys[0][0] else hashlib.sha256(repr(keys).encode()).hexdigest()


def length_in_samples(example: Example) -> int:
    """Return how long an utterance is by its record, and a millisecond more: durations are rounded."""
    return round(((example.utterance.duration_s or 0.0) + 0.001) * SAMPLING_RATE)


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Return `features` of the student and, as `FrozenEncoder.complete` has them, the teacher's `states`, `teacher_features`, `missing`."""
    batch = {"features": torch.from_numpy(np.stack([item["features"] for item in items]))}
    cached = [np.asarray(item["states"]) for item in items if "states" in item]
    fresh = [item["teacher_features"] for item in items if "states" not in item]
    if cached:
        batch["states"] = torch.from_numpy(np.stack(cached))
    if fresh:
        batch["teacher_features"] = torch.from_numpy(np.stack(fresh))
    if cached and fresh:
        batch["missing"] = torch.tensor(["states" not in item for item in items])
    return batch
