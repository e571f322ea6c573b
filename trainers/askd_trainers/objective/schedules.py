"""How much each term of the objective weighs at each step: the arms of the study are this file's inputs and nothing else.

ASKD (Lee, Kim, Lee and Chun, arXiv 2601.19919) is described in words: it "systematically decays the dependency on the teacher's
distribution as training progresses", and "subsequently employs a self-knowledge distillation phase to act as a structural regularizer".
Neither equation, schedule nor code is public. What follows is **our reconstruction**, with every constant in the recipe:

    phase A, steps t in [0, T_A]:  (1 - λ_t)·CE + λ_t·τ²·KL(teacher ‖ student),  λ_t = λ_0·(1 - t/T_A)  (or cosine, or by the measured gap)
    phase B, steps t in (T_A, T]:  (1 - β_t)·CE + β_t·τ²·KL(self-teacher ‖ student),  β_t = β_max·(t - T_A)/(T - T_A);  no teacher

With `self_teacher.schedule = "crossfade"` the self-teacher takes over what the teacher gives up: β_t = β_max·(1 - λ_t/λ_0) in phase A, and
β_max after it, so that distillation weighs the same from the first step to the last.

Relatives: teacher annealing (Clark et al. 2019, BAM), Annealing-KD (Jafari et al. 2021), PS-KD (Kim et al. 2021).
"""

import math
from typing import Any

from askd_trainers.objective.mass import Mass
from askd_trainers.objective.weights import Weights
from askd_trainers.recipe import Objective


class LossSchedule:
    """The weights of an objective over `total_steps` steps.

    Args:
        objective: see `askd_trainers.recipe.Objective`.
        total_steps: T, optimiser steps.

    Attributes:
        phase_a_steps: T_A, the last step of phase A; T where the teacher stays to the end. A rule on dev may bring it forward.
        mass: of the terms so far.
    """

    def __init__(self, objective: Objective, total_steps: int) -> None:
        self.objective = objective
        self.total_steps = total_steps
        self.phase_a_steps = round(objective.phase_a_fraction * total_steps)
        self.mass = Mass()
        self._best_dev: float | None = None
        self._without_gain = 0
        self._gap: float | None = None
        self._first_gap: float | None = None
        self._share = 1.0

    def weights(self, step: int) -> Weights:
        """Return the weights at `step`, counted from 0; at `T_A` itself an annealed λ is 0 and β still 0."""
        if step > self.phase_a_steps:
            beta = self._beta(step)
            return Weights(1.0 - beta, self_teacher=beta)
        teacher = self.objective.teacher
        if teacher is None:
            return Weights(1.0)
        share = self._teacher_share(step)
        weight = teacher.weight * share
        beta = self._crossfade(share)
        hard = 1.0 - weight - beta if teacher.cross_entropy_weight is None else teacher.cross_entropy_weight
        return Weights(hard, teacher=weight, self_teacher=beta, hidden=teacher.hidden_weight * share)

    @property
    def self_teacher_from(self) -> int:
        """The last step before the self-teacher weighs anything: the student then is what it starts from."""
        term = self.objective.self_teacher
        return 0 if term is not None and term.schedule == "crossfade" else self.phase_a_steps

    def observe_dev(self, step: int, cross_entropy: float) -> bool:
        """Tell the rule that ends phase A the dev cross-entropy after `step` steps; return whether phase A ends here.

        It ends at the first evaluation at which dev cross-entropy has not fallen below its best for `phase_a_patience` in a row.
        """
        if self.objective.phase_a_patience is None or step >= self.phase_a_steps:
            return False
        if self._best_dev is None or cross_entropy < self._best_dev:
            self._best_dev, self._without_gain = cross_entropy, 0
        else:
            self._without_gain += 1
        if self._without_gain < self.objective.phase_a_patience:
            return False
        self.phase_a_steps = step
        return True

    @property
    def follows_gap(self) -> bool:
        """Whether `observe` wants the losses of student and teacher."""
        return self.objective.teacher is not None and self.objective.teacher.schedule == "adaptive"

    def observe(self, student_loss: float, teacher_loss: float) -> None:
        """Tell the adaptive schedule the two losses against the ground truth at the step just taken (nats a position).

        λ_t = λ_0·min(1, gap_t/gap_0) with gap = max(0, student - teacher), smoothed with momentum; it never rises again, since the
        dependency on the teacher is to decay, and is 0 once the student fits the references as well as its teacher does.
        """
        if self.objective.teacher is None:
            return
        gap = max(0.0, student_loss - teacher_loss)
        momentum = self.objective.teacher.gap_momentum
        self._gap = gap if self._gap is None else momentum * self._gap + (1 - momentum) * gap
        if self._first_gap is None:
            self._first_gap = gap
        self._share = min(self._share, self._gap / self._first_gap if self._first_gap > 0 else 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {
            "gap": self._gap,
            "first_gap": self._first_gap,
            "share": self._share,
            "phase_a_steps": self.phase_a_steps,
            "best_dev": self._best_dev,
            "without_gain": self._without_gain,
            "mass": self.mass.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self._gap, self._first_gap, self._share = state["gap"], state["first_gap"], state["share"]
        if "mass" in state:  # checkpoints of older versions have none
            self.phase_a_steps, self._best_dev, self._without_gain = state["phase_a_steps"], state["best_dev"], state["without_gain"]
            self.mass.load_state_dict(state["mass"])

    def _teacher_share(self, step: int) -> float:
        assert self.objective.teacher is not None
        progress = step / self.phase_a_steps if self.phase_a_steps else 1.0
        match self.objective.teacher.schedule:
            case "constant":
                return 1.0
            case "linear":
                return 1.0 - progress
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * progress)) if progress < 1 else 0.0
            case "adaptive":
                return self._share if progress < 1 else 0.0

    def _beta(self, step: int) -> float:
        term = self.objective.self_teacher
        if term is None:
            return 0.0
        if term.schedule == "crossfade":
            return term.weight
        return term.weight * (step - self.phase_a_steps) / (self.total_steps - self.phase_a_steps)

    def _crossfade(self, teacher_share: float) -> float:
        term = self.objective.self_teacher
        return term.weight * (1.0 - teacher_share) if term is not None and term.schedule == "crossfade" else 0.0
