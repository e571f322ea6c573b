"""The front end of models that take the waveform: left as it is, or standardised."""

from dataclasses import dataclass

import numpy as np

from askd_bench.models.protocol import Features
from askd_bench.types import SAMPLING_RATE, Samples

SHORTEST_SAMPLES = SAMPLING_RATE // 5
"""A shorter clip is padded with zeros to it: strided convolutions need that much for one frame of output (LASR's, 145 ms, most of all)."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Audio as float32, shape (num_samples,), at least `SHORTEST_SAMPLES` of it.

    Attributes:
        standardise: to zero mean and unit variance, clip by clip, as `Wav2Vec2FeatureExtractor` does with `do_normalize`.

    Source of the standardisation: Baevski et al. 2020, section 2 (https://arxiv.org/abs/2006.11477).
    """

    standardise: bool

    def __call__(self, samples: Samples) -> Features:
        """Return the features of 16 kHz mono samples, float32, shape (num_samples,)."""
        features = np.pad(samples, (0, max(0, SHORTEST_SAMPLES - len(samples)))).astype(np.float32, copy=False)
        if not self.standardise:
            return features
        standardised: Features = (features - features.mean()) / np.sqrt(features.var() + 1e-7)
        return standardised
