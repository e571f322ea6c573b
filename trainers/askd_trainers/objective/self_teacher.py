"""The student's earlier self that teaches it in phase B: one model copy, of which only the trained weights are its own."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from askd_trainers.recipe import SelfTeacherTerm


class SelfTeacher:
    """A snapshot, a moving average of the weights, or the student of the previous epoch.

    Frozen parameters are shared with the student: the copy of a student with frozen encoder and embeddings costs its decoder layers.

    Args:
        student: the model that is trained.
        term: which self, and with which decay.
    """

    def __init__(self, student: nn.Module, term: SelfTeacherTerm) -> None:
        self.term = term
        frozen: dict[int, Any] = {id(p): p for p in student.parameters() if not p.requires_grad}
        self.model = copy.deepcopy(student, frozen).eval().requires_grad_(False)
        self.from_epoch = False
        self._trained = [name for name, p in student.named_parameters() if p.requires_grad]

    def after_step(self, student: nn.Module, steps: int, begins_after: int, *, epoch_ends: bool) -> None:
        """Follow the student; `steps` steps have been taken, the first that it teaches is number `begins_after` + 1, counted from 0.

        The previous epoch's student is taken over at the step that ends the epoch; before the first such end, the student learns from
        the snapshot.
        """
        if self.term.kind == "previous-epoch" and epoch_ends:
            self.copy_from(student)
            self.from_epoch = True
        if steps == begins_after + 1:
            if not self.from_epoch:
                self.copy_from(student)
        elif steps > begins_after and self.term.kind == "ema":
            self.average(student)

    @torch.no_grad()
    def copy_from(self, student: nn.Module) -> None:
        """Become the student as it is now."""
        theirs = dict(student.named_parameters())
        for name, mine in self._parameters().items():
            mine.copy_(theirs[name])

    @torch.no_grad()
    def average(self, student: nn.Module) -> None:
        """Move a share `1 - decay` of the way towards the student."""
        theirs = dict(student.named_parameters())
        for name, mine in self._parameters().items():
            mine.lerp_(theirs[name].to(mine.dtype), 1 - self.term.decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the trained weights."""
        return {name: p.detach().clone().contiguous() for name, p in self._parameters().items()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state_dict`."""
        for name, mine in self._parameters().items():
            mine.copy_(state[name])

    def _parameters(self) -> dict[str, nn.Parameter]:
        own = dict(self.model.named_parameters())
        return {name: own[name] for name in self._trained}
