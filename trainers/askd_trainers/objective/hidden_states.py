"""Distance between decoder states of teacher and student: what the recipe `context` minimises."""

from torch import Tensor

from askd_trainers.objective.functions import hidden_state_error
from askd_trainers.objective.term import Outputs, Term
from askd_trainers.objective.weights import Weights


class HiddenStates(Term):
    """The mean squared error a position over all decoder layers; it follows the teacher's schedule."""

    name = "hidden"
    compares_states = True

    def weight(self, weights: Weights) -> float:
        """Return `Weights.hidden`."""
        return weights.hidden

    def measure(self, outputs: Outputs) -> Tensor:
        """Return the error."""
        theirs, mine = outputs.teacher.states, outputs.student.states
        assert theirs is not None
        assert mine is not None
        return hidden_state_error(theirs, mine).sum() / outputs.positions
