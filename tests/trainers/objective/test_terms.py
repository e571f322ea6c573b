"""The loss as a sum of terms, on fixed tensors."""

import pytest
import torch

from askd_trainers.objective.functions import cross_entropy, entropy, hidden_state_error, kl_divergence, uniform_cross_entropy
from askd_trainers.objective.term import Output, Outputs, weighted_sum
from askd_trainers.objective.terms import terms_of
from askd_trainers.objective.weights import Weights
from askd_trainers.recipe import Objective, SelfTeacherTerm, TeacherTerm

LABELS = torch.tensor([1, 4, 2])
WHOLE = Objective(
    label_smoothing=0.1,
    confidence_penalty=0.3,
    teacher=TeacherTerm(weight=0.5, hidden_weight=0.7),
    self_teacher=SelfTeacherTerm(weight=0.25),
    phase_a_fraction=0.5,
)


class Models:
    """Three models that answer with fixed tensors, and remember who was asked."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.logits = {role: torch.randn(3, 5, generator=generator) for role in ("student", "teacher", "self_teacher")}
        self.states = {role: torch.randn(2, 3, 4, generator=generator) for role in self.logits}
        for own in (self.logits, self.states):
            own["student"].requires_grad_()
        self.asked = []

    def forward(self, role):
        self.asked.append(role)
        return Output(self.logits[role], self.states[role], lambda: cross_entropy(self.logits[role], LABELS).sum())

    def loss(self, objective, weights):
        return weighted_sum(terms_of(objective), weights, Outputs(self.forward, label_tokens=3, positions=3))


def test_the_loss_is_the_weighted_sum_of_its_terms():
    models = Models()
    loss = models.loss(WHOLE, Weights(0.6, teacher=0.5, self_teacher=0.25, hidden=0.7))
    student = models.logits["student"]
    expected = (
        0.6 * (0.9 * cross_entropy(student, LABELS).mean() + 0.1 * uniform_cross_entropy(student).mean())
        - 0.3 * entropy(student).mean()
        + 0.7 * hidden_state_error(models.states["teacher"], models.states["student"]).mean()
        + 0.5 * 4 * kl_divergence(models.logits["teacher"], student, temperature=2.0).mean()
        + 0.25 * 4 * kl_divergence(models.logits["self_teacher"], student, temperature=2.0).mean()
    )
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(torch.stack(list(loss.parts.values())).sum(), expected)
    assert set(loss.parts) == {"cross_entropy", "entropy", "hidden", "teacher_kl", "self_kl"}


def test_a_model_runs_once_and_only_where_a_term_weighs():
    models = Models()
    models.loss(WHOLE, Weights(1.0))
    assert models.asked == ["student"]
    models.asked.clear()
    models.loss(WHOLE, Weights(0.5, teacher=0.5, hidden=0.7))
    assert models.asked == ["student", "teacher"]


def test_cross_entropy_is_measured_at_weight_zero_and_adds_nothing():
    models = Models()
    loss = models.loss(Objective(teacher=TeacherTerm(weight=1.0, cross_entropy_weight=0.0)), Weights(0.0, teacher=1.0))
    assert set(loss.parts) == {"teacher_kl"}
    assert loss.measured["cross_entropy"].item() == pytest.approx(cross_entropy(models.logits["student"], LABELS).mean().item())


def test_gradients_reach_the_student_alone():
    models = Models()
    for role in ("teacher", "self_teacher"):
        models.logits[role].requires_grad_()
    models.loss(WHOLE, Weights(0.6, teacher=0.5, self_teacher=0.25, hidden=0.7)).total.backward()
    assert models.logits["student"].grad.abs().sum() > 0
    assert models.logits["teacher"].grad is None
    assert models.logits["self_teacher"].grad is None
