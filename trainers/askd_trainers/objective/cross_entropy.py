"""The loss against the reference: cross-entropy, or CTC's; smoothed where the recipe says so."""

from torch import Tensor

from askd_trainers.objective.functions import uniform_cross_entropy
from askd_trainers.objective.term import Outputs, Term
from askd_trainers.objective.weights import Weights


class CrossEntropy(Term):
    """The mean loss a label token; with label smoothing ε, `(1 - ε)·loss + ε·uniform` is minimised.

    Args:
        label_smoothing: ε.
    """

    name = "cross_entropy"
    always = True

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def weight(self, weights: Weights) -> float:
        """Return `Weights.cross_entropy`."""
        return weights.cross_entropy

    def measure(self, outputs: Outputs) -> Tensor:
        """Return it without smoothing."""
        return outputs.hard_sum / outputs.label_tokens

    def minimised(self, measured: Tensor, outputs: Outputs) -> Tensor:
        """Return it smoothed."""
        if not self.label_smoothing:
            return measured
        uniform = uniform_cross_entropy(outputs.student.positions).sum() / outputs.positions
        return (1 - self.label_smoothing) * measured + self.label_smoothing * uniform
