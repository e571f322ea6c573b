"""Terms of the objective against torch, Distil-Whisper's published formula and finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from askd_trainers.objective.functions import cross_entropy, entropy, kl_divergence, uniform_cross_entropy

POSITIONS, VOCABULARY = 7, 300


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    teacher, student = (3 * torch.randn(POSITIONS, VOCABULARY, generator=generator) for _ in range(2))
    return teacher, student.requires_grad_(), torch.randint(0, VOCABULARY, (POSITIONS,), generator=generator)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
def test_divergence_is_torchs(logits, temperature):
    teacher, student, _ = logits
    expected = functional.kl_div(
        functional.log_softmax(student / temperature, -1),
        functional.log_softmax(teacher / temperature, -1),
        log_target=True,
        reduction="none",
    ).sum(-1)
    torch.testing.assert_close(kl_divergence(teacher, student, temperature=temperature), expected, atol=1e-6, rtol=1e-5)


def test_objective_is_distil_whispers_formula_on_padded_tensors(logits):
    """0.8·CE + τ²·Σ q·log(q/p), means over the positions that are not padded (Gandhi et al. 2023), written with sums in float64."""
    teacher, student, labels = logits
    padded = torch.tensor([True, True, True, False, True, False, True])
    q, p = (torch.softmax(x.detach().double() / 2, -1) for x in (teacher, student))
    divergence = (q * (q / p).log()).sum(-1)[padded].sum() / padded.sum()
    ce = -torch.log_softmax(student.detach().double(), -1)[torch.arange(POSITIONS), labels][padded].mean()
    kept = padded.nonzero()[:, 0]
    ours = 0.8 * cross_entropy(student[kept], labels[kept]).mean() + 4 * kl_divergence(teacher[kept], student[kept], temperature=2).mean()
    assert ours.item() == pytest.approx((0.8 * ce + 4 * divergence).item(), abs=1e-6, rel=1e-6)


def test_divergence_from_oneself_is_zero_with_zero_gradient(logits):
    _, student, _ = logits
    divergence = kl_divergence(student, student, temperature=2.0)
    assert divergence.abs().max() == 0
    divergence.sum().backward()
    assert student.grad.abs().max() == 0


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gradient_is_autograds_and_reaches_the_student_only(logits, temperature):
    teacher, student, _ = logits
    teacher.requires_grad_()
    kl_divergence(teacher, student, temperature=temperature).sum().backward()
    assert teacher.grad is None
    other = student.detach().clone().requires_grad_()
    log_q = functional.log_softmax(teacher.detach() / temperature, -1)
    (log_q.exp() * (log_q - functional.log_softmax(other / temperature, -1))).sum().backward()
    torch.testing.assert_close(student.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_tempered_gradients_keep_their_size():
    """τ² makes the gradient approach that of half the squared difference of centred logits (Hinton et al. 2015, eq. 4)."""
    teacher, student = torch.randn(1, 50), torch.randn(1, 50, requires_grad=True)
    tau = 200.0
    (tau**2 * kl_divergence(teacher, student, temperature=tau)).sum().backward()
    limit = ((student - student.mean()) - (teacher - teacher.mean())).detach() / 50
    torch.testing.assert_close(student.grad, limit, atol=2e-4, rtol=0.05)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.6])
def test_label_smoothing_is_torchs(logits, epsilon):
    _, student, labels = logits
    ours = (1 - epsilon) * cross_entropy(student, labels) + epsilon * uniform_cross_entropy(student)
    torch.testing.assert_close(ours, functional.cross_entropy(student, labels, reduction="none", label_smoothing=epsilon))


@given(st.integers(2, 60), st.floats(0, 30))
@settings(max_examples=25)
def test_entropy_lies_between_zero_and_ln_vocabulary(vocabulary, scale):
    value = entropy(scale * torch.randn(3, vocabulary, generator=torch.Generator().manual_seed(vocabulary)))
    assert value.min() >= -1e-5
    assert value.max() <= math.log(vocabulary) + 1e-5
    expected = torch.distributions.Categorical(logits=torch.zeros(1, vocabulary)).entropy()
    torch.testing.assert_close(entropy(torch.zeros(1, vocabulary)), expected)


@given(st.permutations(range(POSITIONS)))
@settings(max_examples=10)
def test_positions_do_not_know_of_each_other(order):
    generator = torch.Generator().manual_seed(3)
    teacher, student = (torch.randn(POSITIONS, 40, generator=generator) for _ in range(2))
    whole = kl_divergence(teacher, student, temperature=2.0)
    assert torch.equal(kl_divergence(teacher[order], student[order], temperature=2.0), whole[order])


def test_vocabularies_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 10\).*\(2, 11\)"):
        kl_divergence(torch.zeros(2, 10), torch.zeros(2, 11))
