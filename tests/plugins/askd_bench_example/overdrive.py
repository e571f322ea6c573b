"""A perturbation: its fields are the keys a suite may set."""

import numpy as np
from pydantic import Field

from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.types import Samples


class Overdrive(Perturbation):
    """Soft clipping: y = tanh(drive x) / tanh(drive)."""

    drive: float = Field(gt=0, le=100)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clipped clip, as long as before."""
        return Perturbed((np.tanh(self.drive * samples) / np.tanh(self.drive)).astype(np.float32), {"drive": self.drive})
