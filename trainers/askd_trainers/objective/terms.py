"""From a recipe's objective to its terms. A new term is one class, its weight in `Weights`, and one line here."""

from askd_trainers.objective.confidence_penalty import ConfidencePenalty
from askd_trainers.objective.cross_entropy import CrossEntropy
from askd_trainers.objective.divergence import SelfDivergence, TeacherDivergence
from askd_trainers.objective.hidden_states import HiddenStates
from askd_trainers.objective.term import Term
from askd_trainers.recipe import Objective


def terms_of(objective: Objective) -> list[Term]:
    """Return the terms that may weigh something at some step, in the order in which they are added up."""
    terms: list[Term] = [CrossEntropy(objective.label_smoothing)]
    if objective.confidence_penalty:
        terms.append(ConfidencePenalty(objective.confidence_penalty))
    if objective.teacher is not None:
        terms += [HiddenStates(), TeacherDivergence(objective.temperature)]
    if objective.self_teacher is not None:
        terms.append(SelfDivergence(objective.temperature))
    return terms
