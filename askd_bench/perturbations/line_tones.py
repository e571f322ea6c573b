"""The tones a telephone network plays where nobody speaks: dial, ring-back, busy, special information, hold."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.perturbations.levels import amplitude
from askd_bench.types import Samples

LineTone = Literal[
    "dial-eu", "dial-us", "dial-uk", "ring-back-eu", "ring-back-us", "ring-back-uk", "busy-eu", "busy-us", "busy-uk", "information", "hold"
]

_Step = tuple[float, tuple[int, ...]]

CADENCES: Mapping[LineTone, tuple[_Step, ...]] = {
    "dial-eu": ((1.0, (425,)),),
    "dial-us": ((1.0, (350, 440)),),
    "dial-uk": ((1.0, (350, 450)),),
    "ring-back-eu": ((1.0, (425,)), (4.0, ())),
    "ring-back-us": ((2.0, (440, 480)), (4.0, ())),
    "ring-back-uk": ((0.4, (400, 450)), (0.2, ()), (0.4, (400, 450)), (2.0, ())),
    "busy-eu": ((0.5, (425,)), (0.5, ())),
    "busy-us": ((0.5, (480, 620)), (0.5, ())),
    "busy-uk": ((0.375, (400,)), (0.375, ())),
    "information": ((0.33, (950,)), (0.33, (1400,)), (0.33, (1800,)), (1.0, ())),
    "hold": ((0.2, (425,)), (0.2, ()), (0.2, (425,)), (4.4, ())),
}
"""Tone -> its steps of (seconds, frequencies in Hz), repeated. A step without frequencies is silent.

Source: ITU-T E.180/Q.35 (03/1998) for cadences and the special information tone, its Supplement 2 (various tones used in national networks)
for the European, United States and British frequencies. `hold` is ours: E.182 names a holding tone but fixes no cadence.
"""

RAMP_S = 0.005
"""Each burst swells and dies over this time, so that its edges do not click."""


class AddedLineTone(Perturbation):
    """Add a network tone: its frequencies in equal parts, on and off by its cadence, beginning at a random moment of the first burst.

    Attributes:
        tone: which.
        level_dbfs: rms while the tone is on. E.180 wants -10 dBm0 (+-5), which is -16 dBFS.
    """

    tone: LineTone
    level_dbfs: float = Field(-16.0, ge=-90, le=-3)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip with the tone in it."""
        steps = CADENCES[self.tone]
        begin = float(rng.uniform(0, 0.5)) * steps[0][0]
        time = begin + np.arange(samples.size) / sampling_rate
        within = time % sum(duration for duration, _ in steps)
        tone = np.zeros(samples.size)
        start = 0.0
        for duration, frequencies in steps:
            since = within - start
            gate = np.ones(samples.size) if len(steps) == 1 else np.clip(np.minimum(since, duration - since) / RAMP_S, 0, 1)
            for frequency in frequencies:
                tone += np.sin(np.pi / 2 * gate) ** 2 * np.sin(2 * np.pi * frequency * time) * np.sqrt(2 / len(frequencies))
            start += duration
        return Perturbed((samples + amplitude(self.level_dbfs) * tone).astype(np.float32), {"tone_dbfs": self.level_dbfs})
