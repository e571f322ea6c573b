"""From examples to batches: for each model its encoder's states where they are kept, features where they are not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from askd_bench.types import Samples
from askd_trainers.data.encoder_states import FrozenEncoder
from askd_trainers.data.examples import Example


class SpeechDataset(Dataset[dict[str, Any]]):
    """Examples as items: index, labels, and for each encoder cached states or features.

    Args:
        examples: what to train on.
        encoders: role ("student", "teacher", and "self_teacher" where its input is clean speech) -> the frozen encoder whose states are
            needed; None where features are.
        features: audio to features, for roles without a frozen encoder.
        teacher_hears: see `Data`.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        encoders: dict[str, FrozenEncoder | None],
        features: Callable[[Samples], NDArray[np.float32]],
        *,
        teacher_hears: str = "same",
    ) -> None:
        self.examples = examples
        self.encoders = encoders
        self.features = features
        self.teacher_hears = teacher_hears
        self._keys: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = {"index": index, "labels": self.examples[index].labels}
        rendered: dict[str, Samples] = {}
        for role, encoder in self.encoders.items():
            example = self._example(role, index)
            states = encoder.cached(self._key(example)) if encoder is not None else None
            if states is not None:
                item[f"{role}_states"] = states
            else:
                if example.id not in rendered:
                    rendered[example.id] = example.samples()
                item[f"{role}_features"] = (encoder.frontend if encoder is not None else self.features)(rendered[example.id])
        return item

    def fill_cache(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Encode what is not in the cache yet; return how many states did not fit."""
        missed = 0
        for index in range(len(self)):
            for encoder, example in self._states(index):
                if encoder.cache is not None and encoder.cached(self._key(example)) is None:
                    # Once the cache is full, what is left is encoded in the steps: here it would be for nothing.
                    missed += bool(missed) or not encoder.store(self._key(example), example.samples())
            if progress is not None:
                progress(index + 1, len(self))
        return missed

    def uncached(self) -> int:
        """Return how many states still are to be computed."""
        wanted = {
            encoder.key(self._key(example)): encoder.cached(self._key(example)) is None
            for index in range(len(self))
            for encoder, example in self._states(index)
        }
        return sum(wanted.values())

    def _example(self, role: str, index: int) -> Example:
        example = self.examples[index]
        clean = role == "self_teacher" or (role == "teacher" and self.teacher_hears == "clean")
        return example.clean if clean else example

    def _states(self, index: int) -> list[tuple[FrozenEncoder, Example]]:
        """Return which states the item needs."""
        return [(encoder, self._example(role, index)) for role, encoder in self.encoders.items() if encoder is not None]

    def _key(self, example: Example) -> str:
        if example.id not in self._keys:
            self._keys[example.id] = example.audio_key()
        return self._keys[example.id]


@dataclass(frozen=True)
class Collator:
    """Items to a batch of tensors. States that are cached for a part of the batch only are joined by the trainer (`missing`)."""

    collate_labels: Callable[[Sequence[Sequence[int]]], dict[str, Tensor]]
    collate_features: Callable[[Sequence[NDArray[np.float32]]], dict[str, Tensor]]

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Return labels, indices, and for each role states, features, or both with a mask."""
        batch = self.collate_labels([item["labels"] for item in items])
        batch["index"] = torch.tensor([item["index"] for item in items])
        for role in ("student", "teacher", "self_teacher"):
            cached = [np.asarray(item[f"{role}_states"]) for item in items if f"{role}_states" in item]
            fresh = [item[f"{role}_features"] for item in items if f"{role}_features" in item]
            if cached:
                batch[f"{role}_states"] = torch.from_numpy(np.stack(cached))
            if fresh:
                batch |= {f"{role}_{name}": tensor for name, tensor in self.collate_features(fresh).items()}
            if cached and fresh:
                batch[f"{role}_missing"] = torch.tensor([f"{role}_features" in item for item in items])
        return batch
