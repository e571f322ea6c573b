"""The terms of every objective, written on logits alone: nothing here knows what model they come from.

All functions return one value a position, in nats, and leave the mean to the caller, who alone knows over what: a batch, several
accumulated batches, several processes.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return `-log p(label)` at each position.

    Args:
        logits: float, shape (positions, vocabulary).
        labels: int64, shape (positions,), in [0, vocabulary).

    Returns:
        float32, shape (positions,), in [0, inf).
    """
    return functional.cross_entropy(logits.float(), labels, reduction="none")


def uniform_cross_entropy(logits: Tensor) -> Tensor:
    """Return the cross-entropy of the uniform distribution against the model, `-mean_v log p(v)`: the second half of label smoothing.

    `(1 - ε)·cross_entropy + ε·uniform_cross_entropy` is `torch.nn.functional.cross_entropy(label_smoothing=ε)`.

    Args:
        logits: float, shape (positions, vocabulary).

    Returns:
        float32, shape (positions,), at least ln(vocabulary).
    """
    return -functional.log_softmax(logits.float(), dim=-1).mean(dim=-1)


def hidden_state_error(teacher_states: Tensor, student_states: Tensor) -> Tensor:
    """Return the squared error between decoder states, averaged over layers and dimensions.

    The term of FUTO's audio context fine-tuning (https://github.com/futo-org/whisper-acft): a student that sees a short context is to have
    the states of the same model at full context. There it is the mean over one clip; here, as every term, one value a position.

    Args:
        teacher_states: float, shape (layers, positions, d_model); taken as a constant.
        student_states: float, same shape.

    Returns:
        float32, shape (positions,), at least 0.

    Raises:
        ValueError: the shapes differ, as where the numbers of layers do.
    """
    if teacher_states.shape != student_states.shape:
        raise ValueError(f"teacher states have shape {tuple(teacher_states.shape)}, student states {tuple(student_states.shape)}")
    return (student_states.float() - teacher_states.detach().float()).square().mean(dim=(0, 2))


def entropy(logits: Tensor) -> Tensor:
    """Return `H(p) = -Σ_v p(v)·log p(v)`, what the confidence penalty rewards.

    Source: Pereyra et al. 2017, "Regularizing Neural Networks by Penalizing Confident Output Distributions".

    Args:
        logits: float, shape (positions, vocabulary).

    Returns:
        float32, shape (positions,), in [0, ln(vocabulary)].
    """
    log_p = functional.log_softmax(logits.float(), dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)


def kl_divergence(teacher_logits: Tensor, student_logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return `KL(q^τ ‖ p^τ) = Σ_v q(v)·(log q(v) - log p(v))` with `q = softmax(teacher / τ)` and `p = softmax(student / τ)`.

    Gradients reach the student's logits only. The factor τ², which keeps gradients of the same size at every temperature (Hinton et al.
    2015), is the caller's. Summed over the vocabulary and averaged over the non-padded positions this is Distil-Whisper's term
    (Gandhi et al. 2023, eq. 5).

    Args:
        teacher_logits: float, shape (positions, vocabulary); taken as a constant.
        student_logits: float, same shape.
        temperature: τ > 0.

    Returns:
        float32, shape (positions,), at least 0 up to rounding.

    Raises:
        ValueError: the shapes differ, as where the vocabularies do.
    """
    if teacher_logits.shape != student_logits.shape:
        raise ValueError(f"teacher logits have shape {tuple(teacher_logits.shape)}, student logits {tuple(student_logits.shape)}")
    divergence: Tensor = _KLDivergence.apply(teacher_logits.detach().float(), student_logits.float(), temperature)  # type: ignore[no-untyped-call]
    return divergence


class _KLDivergence(torch.autograd.Function):
    """`Σ q·(t - s)/τ - logsumexp(t/τ) + logsumexp(s/τ)`, with the gradient `(p - q)/τ` in closed form.

    Over Whisper's 51,864 words the pass is bound by memory; composed of `log_softmax` and `kl_div` it reads and writes about twice as much.
    """

    @staticmethod
    def forward(ctx: Any, teacher_logits: Tensor, student_logits: Tensor, temperature: float) -> Tensor:
        student = student_logits / temperature
        teacher = teacher_logits / temperature
        normaliser = torch.logsumexp(student, dim=-1) - torch.logsumexp(teacher, dim=-1)
        q = torch.softmax(teacher, dim=-1)
        divergence: Tensor = torch.linalg.vecdot(q, teacher.sub_(student)) + normaliser
        if ctx.needs_input_grad[1]:
            ctx.save_for_backward(torch.softmax(student, dim=-1).sub_(q))
            ctx.temperature = temperature
        return divergence

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, None]:
        (difference,) = ctx.saved_tensors
        return None, difference * (gradients[0] / ctx.temperature).unsqueeze(-1), None
