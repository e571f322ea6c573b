"""A kind of model: everything that a training asks of it. A new kind is one subclass, and its name in `families/choose.py`.

Shapes, for a batch of clips: `positions` are the places where a model predicts and where teacher and student are compared. For a
sequence-to-sequence model they are the label tokens of all clips, one after another; for a CTC model the frames that hold audio.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from askd_bench.types import Samples
from askd_trainers.data.encoder_states import FrozenEncoder, StateCache
from askd_trainers.recipe import BaseRecipe

Batch = dict[str, Tensor]

IGNORED = -100
"""Label of a place that counts for nothing."""


class Family(ABC):
    """How models of one kind are loaded, fed, run and measured.

    Attributes:
        model_types: of the configurations it takes; None for all that no other family takes.
        unused_parameters: whether a step may leave trained parameters without a gradient (as DistributedDataParallel has to know).
        tokenizer: of the student.
        window_s: the longest clip, seconds.
    """

    model_types: ClassVar[tuple[str, ...] | None]
    unused_parameters: ClassVar[bool] = False
    tokenizer: Any
    window_s: float

    @classmethod
    @abstractmethod
    def load_models(cls, recipe: BaseRecipe) -> "Models":
        """Return the family, the student (made or loaded) and the teacher, whole and in float32.

        Raises:
            OSError, ValueError, KeyError: a checkpoint cannot be loaded.
            UserError: a setting has no meaning for it.
        """

    @staticmethod
    @abstractmethod
    def load(checkpoint: str) -> Any:
        """Return the model of a checkpoint in float32."""

    @abstractmethod
    def labels(self, text: str) -> list[int]:
        """Return the tokens to predict for a reference."""

    @abstractmethod
    def check_labels(self, model: Any, labels: Sequence[int], utterance: str) -> None:
        """Raise a `UserError` that names the utterance where the model cannot be trained on its labels."""

    @abstractmethod
    def features(self, samples: Samples) -> NDArray[np.float32]:
        """Return what the student's encoder takes of one clip: float32, shape (bins, frames) or (samples,)."""

    @abstractmethod
    def frozen_encoder(self, model: Any, cache: StateCache | None, *, bf16: bool) -> FrozenEncoder | None:
        """Return the encoder of a model that is not trained, whose states may be kept; None where the family keeps none."""

    @abstractmethod
    def collate_labels(self, labels: Sequence[Sequence[int]]) -> Batch:
        """Return `labels` (batch, length), int64, padded with `IGNORED`, and what else the model needs of them."""

    @abstractmethod
    def collate_features(self, features: Sequence[NDArray[np.float32]]) -> Batch:
        """Return `features` (batch, ...), float32, padded to the longest, and what says where the padding begins."""

    @abstractmethod
    def counts(self, model: Any, batch: Batch) -> tuple[int, int]:
        """Return over how many items the hard loss is a mean (label tokens), and over how many the others are (positions)."""

    @abstractmethod
    def forward(self, model: Any, batch: Batch) -> Tensor:
        """Return logits, as `packed` and `hard_loss` take them; with `states` in the batch the encoder does not run."""

    @abstractmethod
    def forward_with_states(self, model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits and decoder states, shape (layers, positions, d_model), float.

        Raises:
            NotImplementedError: the family has no decoder; recipes that ask for it are refused before.
        """

    @abstractmethod
    def packed(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the logits that are compared, shape (positions, vocabulary)."""

    @abstractmethod
    def hard_loss(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss against the reference, a sum in nats, shape ()."""

    @abstractmethod
    def transcribe(self, model: Any, batch: Batch) -> list[str]:
        """Return greedy transcripts, one a clip."""


@dataclass(frozen=True)
class Models:
    """What a recipe is about: the student to train, and the teacher that it came from or learns from."""

    family: Family
    student: Any
    teacher: Any
