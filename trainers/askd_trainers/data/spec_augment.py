"""SpecAugment: stretches of time and bands of frequency of a spectrogram replaced by its mean.

Source: Park et al. 2019, "SpecAugment", https://arxiv.org/abs/1904.08779, without time warping.
"""

import torch
from torch import Tensor

from askd_trainers.recipe import SpecAugment


def mask(features: Tensor, settings: SpecAugment) -> Tensor:
    """Return masked copies of spectrograms; what is masked is drawn from torch's global generator, which checkpoints keep.

    Args:
        features: float, shape (batch, bins, frames).
        settings: how many masks, and how long.

    Returns:
        float, same shape.
    """
    masked = features.clone()
    _, bins, frames = features.shape
    for row, clip in enumerate(features):
        for count, longest, size, dimension in (
            (settings.time_masks, settings.time_frames, frames, 1),
            (settings.frequency_masks, settings.frequency_bins, bins, 0),
        ):
            for _ in range(count):
                length = int(torch.randint(0, min(longest, size) + 1, ()))
                start = int(torch.randint(0, size - length + 1, ()))
                masked[row].narrow(dimension, start, length).fill_(clip.mean())
    return masked
