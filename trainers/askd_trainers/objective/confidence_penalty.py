"""The confidence penalty: entropy of the student's distribution, rewarded (Pereyra et al. 2017)."""

from torch import Tensor

from askd_trainers.objective.functions import entropy
from askd_trainers.objective.term import Outputs, Term
from askd_trainers.objective.weights import Weights


class ConfidencePenalty(Term):
    """The mean entropy a position, subtracted at a constant weight.

    Args:
        penalty: its weight.
    """

    name = "entropy"

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def weight(self, weights: Weights) -> float:
        """Return a negative weight: entropy is to rise."""
        return -self.penalty

    def measure(self, outputs: Outputs) -> Tensor:
        """Return the entropy."""
        return entropy(outputs.student.positions).sum() / outputs.positions
