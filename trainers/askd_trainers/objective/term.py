"""A term of the loss: one class, one file. The loss is their sum, each times its weight at the step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from torch import Tensor

from askd_trainers.objective.weights import Weights


@dataclass(frozen=True)
class Output:
    """What one model makes of a batch.

    Attributes:
        positions: float, shape (positions, vocabulary): the logits that are compared.
        states: float, shape (layers, positions, d_model): those of its decoder, where a term compares them.
        hard_sum: returns the loss against the reference, a sum in nats, shape ().
    """

    positions: Tensor
    states: Tensor | None
    hard_sum: Callable[[], Tensor]


class Outputs:
    """A batch as each model answers it. A model runs at most once a batch, and only where a term asks for it.

    Args:
        forward: role ("student", "teacher", "self_teacher") -> its output.
        label_tokens, positions: what the hard loss and the other terms of the whole step are means over.
    """

    def __init__(self, forward: Callable[[str], Output], *, label_tokens: int, positions: int) -> None:
        self._forward = forward
        self.label_tokens, self.positions = label_tokens, positions

    @cached_property
    def student(self) -> Output:
        """The student's, with gradients."""
        return self._forward("student")

    @cached_property
    def hard_sum(self) -> Tensor:
        """The student's loss against the reference, summed; computed once."""
        return self.student.hard_sum()

    @cached_property
    def teacher(self) -> Output:
        """The teacher's, a constant."""
        return self._forward("teacher")

    @cached_property
    def self_teacher(self) -> Output:
        """That of the student's earlier self, a constant."""
        return self._forward("self_teacher")


class Term(ABC):
    """One term.

    Attributes:
        name: in logs and curves.
        compares_states: whether decoder states are needed beside logits.
        always: measured and logged at weight 0 too.
    """

    name: ClassVar[str]
    compares_states: ClassVar[bool] = False
    always: ClassVar[bool] = False

    @abstractmethod
    def weight(self, weights: Weights) -> float:
        """Return its factor in the loss at a step; 0 leaves it out."""

    @abstractmethod
    def measure(self, outputs: Outputs) -> Tensor:
        """Return its value, the batch's share of the step's mean, shape (): what the log shows."""

    def minimised(self, measured: Tensor, outputs: Outputs) -> Tensor:
        """Return what the loss takes in of it; what is measured, unless a term says otherwise."""
        return measured


@dataclass(frozen=True)
class Loss:
    """A loss and what it is made of.

    Attributes:
        total: shape (), with gradients.
        measured: name of a term -> its value.
        parts: name of a term -> its value times its weight; they add up to the total.
    """

    total: Tensor
    measured: dict[str, Tensor]
    parts: dict[str, Tensor]


def weighted_sum(terms: Sequence[Term], weights: Weights, outputs: Outputs) -> Loss:
    """Return `Σ weight·term` over the terms that weigh anything, in their order."""
    total: Tensor | None = None
    measured: dict[str, Tensor] = {}
    parts: dict[str, Tensor] = {}
    for term in terms:
        weight = term.weight(weights)
        if not weight and not term.always:
            continue
        value = measured[term.name] = term.measure(outputs)
        if weight:
            part = parts[term.name] = weight * term.minimised(value, outputs)
            total = part if total is None else total + part
    return Loss(outputs.hard_sum.new_zeros(()) if total is None else total, measured, parts)
