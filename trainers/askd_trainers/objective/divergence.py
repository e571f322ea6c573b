"""Divergence from a distribution that teaches: the teacher's in phase A, that of an earlier self in phase B."""

from torch import Tensor

from askd_trainers.objective.functions import kl_divergence
from askd_trainers.objective.term import Output, Outputs, Term
from askd_trainers.objective.weights import Weights


class TeacherDivergence(Term):
    """`KL(teacher^τ ‖ student^τ)`, its mean a position; the factor τ² is in its weight.

    Args:
        temperature: τ.
    """

    name = "teacher_kl"

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def weight(self, weights: Weights) -> float:
        """Return λ·τ²."""
        return weights.teacher * self.temperature**2

    def measure(self, outputs: Outputs) -> Tensor:
        """Return the divergence."""
        return self._from(outputs.teacher, outputs)

    def _from(self, other: Output, outputs: Outputs) -> Tensor:
        return kl_divergence(other.positions, outputs.student.positions, temperature=self.temperature).sum() / outputs.positions


class SelfDivergence(TeacherDivergence):
    """`KL(self-teacher^τ ‖ student^τ)`, its mean a position."""

    name = "self_kl"

    def weight(self, weights: Weights) -> float:
        """Return β·τ²."""
        return weights.self_teacher * self.temperature**2

    def measure(self, outputs: Outputs) -> Tensor:
        """Return the divergence."""
        return self._from(outputs.self_teacher, outputs)
