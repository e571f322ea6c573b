"""The weights of one step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of one step; those of the two divergences do not yet hold the factor τ²."""

    cross_entropy: float
    teacher: float = 0.0
    self_teacher: float = 0.0
    hidden: float = 0.0
