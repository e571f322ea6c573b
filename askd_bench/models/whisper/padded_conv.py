"""Whisper's convolutions over a short clip in a long window: nine tenths of the frames are one constant."""

from typing import Any

import torch
from torch import Tensor, nn

_EDGE = 4
"""Frames at either end of the constant stretch that are computed all the same: more than a kernel of 3 reaches at strides 1 and 2."""
_WORTHWHILE = 200


class PaddedConv1d(nn.Conv1d):
    """A `Conv1d` of kernel 3, padding 1 and stride 1 or 2 that computes a stretch of equal frames once.

    Equal to torch's up to rounding. The stretch is found in the input and may be followed by up to two other frames: what the convolution
    before made of the end of the window. Batches, whose rows end at different frames, are computed whole.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of (batch, channels, frames)."""
        frames, stride = input.shape[-1], self.stride[0]
        start = _constant_from(input) if len(input) == 1 and frames % stride == 0 else frames
        if frames - start < _WORTHWHILE:
            return super().forward(input)
        short = super().forward(torch.cat([input[..., : start + _EDGE], input[..., -_EDGE:]], dim=-1))
        constant = start // stride + 1
        end = _EDGE // stride
        between = frames // stride - constant - end
        return torch.cat([short[..., :constant], short[..., constant : constant + 1].expand(-1, -1, between), short[..., -end:]], dim=-1)


def compute_padding_once(encoder: Any) -> None:
    """Let the two convolutions of a Whisper encoder (`conv1`, `conv2`) do so; weights and names stay as they are."""
    for conv in (encoder.conv1, encoder.conv2):
        if type(conv) is nn.Conv1d and (conv.kernel_size, conv.padding, conv.dilation, conv.groups) == ((3,), (1,), (1,), 1):
            conv.__class__ = PaddedConv1d


def _constant_from(frames: Tensor) -> int:
    """Return the first even frame from which all are equal, the last two aside; (1, channels, frames)."""
    differs = (frames[..., 1:] != frames[..., :-1]).any(dim=1)[0, :-2]
    places = differs.nonzero()
    first = int(places[-1]) + 1 if len(places) else 0
    return first + first % 2
