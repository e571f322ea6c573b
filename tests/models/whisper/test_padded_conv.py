"""Computing a constant stretch once is the convolution itself, wherever the stretch begins, and whatever stands at its end."""

import pytest
import torch
from torch import nn

from askd_bench.models.whisper import padded_conv
from askd_bench.models.whisper.padded_conv import PaddedConv1d, compute_padding_once


def frames(signal: int, last: int, total: int = 600) -> torch.Tensor:
    generator = torch.Generator().manual_seed(signal)
    x = torch.full((1, 7, total), -0.3)
    x[..., :signal] = torch.randn(1, 7, signal, generator=generator)
    if last:
        x[..., -last:] = torch.randn(1, 7, last, generator=generator)
    return x


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("last", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("signal", [0, 1, 2, 3, 64, 65, 350, 399, 400, 599, 600])
@torch.inference_mode()
def test_equals_torch(signal: int, last: int, stride: int) -> None:
    conv = nn.Conv1d(7, 5, kernel_size=3, stride=stride, padding=1)
    padded = PaddedConv1d(7, 5, kernel_size=3, stride=stride, padding=1)
    padded.load_state_dict(conv.state_dict())
    for total in (600, 601):
        x = frames(signal, last, total)
        torch.testing.assert_close(padded(x), conv(x), rtol=1e-5, atol=1e-6)
    batch = torch.cat([frames(signal, last), frames(100, 0)])
    torch.testing.assert_close(padded(batch), conv(batch), rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_the_second_convolution_sees_what_the_first_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the window differs after the first: it must not cost the second its stretch."""
    seen = []
    constant_from = padded_conv._constant_from
    monkeypatch.setattr(padded_conv, "_constant_from", lambda x: seen.append(constant_from(x)) or seen[-1])
    encoder = nn.Module()
    encoder.conv1, encoder.conv2 = nn.Conv1d(7, 6, 3, padding=1), nn.Conv1d(6, 5, 3, stride=2, padding=1)
    x = frames(120, 0)
    expected = encoder.conv2(encoder.conv1(x).relu())
    compute_padding_once(encoder)
    torch.testing.assert_close(encoder.conv2(encoder.conv1(x).relu()), expected, rtol=1e-5, atol=1e-6)
    assert seen[0] == 120
    assert seen[1] <= 124


def test_other_convolutions_are_left_alone() -> None:
    encoder = nn.Module()
    encoder.conv1, encoder.conv2 = nn.Conv1d(4, 4, 5, padding=2), nn.Conv1d(4, 4, 3, padding=1, groups=2)
    compute_padding_once(encoder)
    assert type(encoder.conv1) is type(encoder.conv2) is nn.Conv1d
