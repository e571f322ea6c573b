"""How much each term of an objective has weighed over a training, counted by how far its steps moved."""

from dataclasses import fields

from askd_trainers.objective.weights import Weights


class Mass:
    """The rate-weighted mean of the weights so far: `Σ_t η_t·w_t / Σ_t η_t`, η the learning rate.

    A weight at the end of a decaying rate changes little. Two arms whose teacher terms have equal mass are told apart by when the teacher
    weighs, not by how much. Weights are those of the schedule, without the factor τ².
    """

    def __init__(self) -> None:
        self._rates = 0.0
        self._sums = {field.name: 0.0 for field in fields(Weights)}

    def add(self, rate: float, weights: Weights) -> None:
        """Count one step at learning rate `rate`."""
        self._rates += rate
        for name in self._sums:
            self._sums[name] += rate * getattr(weights, name)

    def means(self) -> dict[str, float]:
        """Return `<term>_mass` for each term that has weighed anything."""
        return {f"{name}_mass": total / self._rates for name, total in self._sums.items() if self._rates and total}

    def state_dict(self) -> dict[str, float]:
        """Return what a resumed run needs."""
        return {"rates": self._rates, **self._sums}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Continue from `state_dict`."""
        self._rates = state["rates"]
        self._sums = {name: state[name] for name in self._sums}
