"""What a perturbation is: validated parameters and a pure function of samples and a seeded generator."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from askd_bench.types import Realised, Samples, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What surrounds the utterance that is perturbed.

    Attributes:
        speaker: who speaks in the utterance, so that added voices can be someone else's.
        talkers: speech to build babble from; the same pool, in the same order, for every utterance of a run.
        noise_dir: the user's own noise recordings, or None.
    """

    speaker: str | None = None
    talkers: Sequence[Utterance] = ()
    noise_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Perturbed:
    """Perturbed audio (it may exceed [-1, 1]: the renderer brings it back with a recorded gain) and what was measured on it."""

    samples: Samples
    realised: Realised = field(default_factory=dict)


class Perturbation(BaseModel, ABC):
    """Base of all perturbations: its fields are the keys a suite file may set, refused when unknown or out of range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the perturbed audio; all randomness comes from `rng`, nothing from global state or time.

        Args:
            samples: float32, shape (num_samples,), in [-1, 1], never empty.
            sampling_rate: Hz.
            rng: seeded for this (suite, version, condition, utterance).
            scene: the speaker, and other speech and noise to draw from.

        Returns:
            float32 audio at the same rate, aligned with the input to within one sample, and the realised parameters.
        """
