"""What each term of the loss did since the last entry of the log."""

from collections.abc import Callable

from torch import Tensor

from askd_trainers.objective.term import Loss


class TermLog:
    """Adds up the terms of batches, and gives their means a step and their shares of the loss."""

    def __init__(self) -> None:
        self._begin()

    def add(self, loss: Loss) -> None:
        """Count a batch, or its part in this process."""
        for sums, terms in ((self._values, loss.measured), (self._parts, {**loss.parts, "": loss.total})):
            for name, value in terms.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach()

    def take(self, reduce: Callable[[Tensor], float]) -> dict[str, float]:
        """Return `<term>`, its mean a step, and `<term>_share`, its part of the loss; then begin anew.

        Args:
            reduce: adds a tensor up over processes.
        """
        values = {name: reduce(total) / self.steps for name, total in self._values.items()}
        parts = {name: reduce(part) for name, part in self._parts.items()}
        whole = parts.pop("", 0.0)
        self._begin()
        return values | {f"{name}_share": part / whole for name, part in parts.items() if whole}

    def _begin(self) -> None:
        self.steps = 0
        self._values: dict[str, Tensor] = {}
        self._parts: dict[str, Tensor] = {}
