"""Bursts of lost packets (Gilbert's model) and what a receiver plays in their place."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.types import Samples

PACKET_S = 0.02
"""Seconds of speech a packet carries."""
FADE_S = 0.06
"""Within this time of the first lost sample, repeat-fade has faded out."""

Concealment = Literal["zero", "repeat-fade"]
Received = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LossStatistics:
    """What was lost: packets, share of all in percent, and mean length of the bursts in packets (None where nothing was lost)."""

    packets: int
    loss_percent: float
    mean_burst: float | None


def gilbert(num_packets: int, *, loss_percent: float, mean_burst: float, rng: np.random.Generator) -> Received:
    """Draw which packets arrive: a two-state Markov chain that loses every packet in its bad state and none in its good one.

    With PLR the loss rate in [0, 1) and L the mean burst, the chain leaves the bad state with q = 1/L and the good one with
    p = q PLR / (1 - PLR). It starts in its stationary state, so that short calls lose as much as long ones on average.

    Source: E. N. Gilbert, Capacity of a burst-noise channel, Bell System Technical Journal 39 (1960), with loss probability 1 in the
    bad state ("simple Gilbert").

    Args:
        num_packets: how many are sent.
        loss_percent: in [0, 50].
        mean_burst: packets, at least 1. At PLR above L / (L + 1) no such chain exists; the range of `loss_percent` keeps below it.
        rng: one uniform number a packet is drawn, whatever the rates.

    Returns:
        bool, shape (num_packets,): True where the packet arrives.

    >>> gilbert(8, loss_percent=40, mean_burst=2, rng=np.random.default_rng(1)).astype(int).tolist()
    [1, 1, 0, 1, 0, 0, 1, 1]
    """
    rate = loss_percent / 100
    leave_bad = 1 / mean_burst
    enter_bad = leave_bad * rate / (1 - rate)
    received = np.ones(num_packets, dtype=np.bool_)
    chance_of_loss = rate
    for index, draw in enumerate(rng.random(num_packets)):
        lost = bool(draw < chance_of_loss)
        received[index] = not lost
        chance_of_loss = 1 - leave_bad if lost else enter_bad
    return received


def loss_statistics(received: Received) -> LossStatistics:
    """Measure a loss pattern.

    >>> loss_statistics(np.array([True, False, False, True, False]))
    LossStatistics(packets=5, loss_percent=60.0, mean_burst=1.5)
    """
    lost = ~received
    bursts = int(np.count_nonzero(lost[1:] & received[:-1])) + int(lost[:1].any())
    count = int(np.count_nonzero(lost))
    return LossStatistics(received.size, 100 * count / max(received.size, 1), count / bursts if bursts else None)


def conceal(arrived: NDArray[np.int16], received: Received, *, concealment: Concealment, sampling_rate: int) -> NDArray[np.int16]:
    """Put the frames that arrived back in their places and fill the gaps.

    `zero` plays silence. `repeat-fade` plays the last good frame over and over, its gain falling in a straight line from 1 to 0 over the
    first 60 ms of the gap, then silence; a gap before the first good frame is silent. Neither smooths the seams.

    Args:
        arrived: int16, shape (num_received, frame_length): the decoded frames of the packets that arrived.
        received: bool, shape (num_packets,), with num_received times True.
        concealment: see above.
        sampling_rate: Hz, of the frames.

    Returns:
        int16, shape (num_packets * frame_length,).
    """
    frame_length = arrived.shape[1]
    frames = np.zeros((received.size, frame_length), dtype=np.int16)
    frames[received] = arrived
    if concealment == "repeat-fade":
        fade = FADE_S * sampling_rate
        gap, last_good = 0, np.zeros(frame_length, dtype=np.int16)
        for index, good in enumerate(received):
            if good:
                gap, last_good = 0, frames[index]
            else:
                gain = np.maximum(0, 1 - (gap * frame_length + np.arange(frame_length)) / fade)
                frames[index] = np.rint(last_good * gain)
                gap += 1
    return frames.reshape(-1)


class PacketLoss(Perturbation):
    """Lose 20 ms packets in bursts, with no codec, band limit or change of level: 16-bit linear samples in packets.

    Realised: `packets`, `loss_percent` and `mean_burst` as they came out.

    Attributes:
        loss_percent: packets lost in the long run.
        mean_burst: packets lost in a row on average.
        concealment: zero or repeat-fade, see `conceal`.
    """

    loss_percent: float = Field(ge=0, le=50)
    mean_burst: float = Field(2.0, ge=1, le=50)
    concealment: Concealment = "repeat-fade"

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the audio with gaps concealed; same length, no delay."""
        frame_length = round(PACKET_S * sampling_rate)
        num_packets = -(-samples.size // frame_length)
        received = gilbert(num_packets, loss_percent=self.loss_percent, mean_burst=self.mean_burst, rng=rng)
        padded = np.zeros(num_packets * frame_length, dtype=np.int16)
        padded[: samples.size] = to_int16(samples)
        arrived = padded.reshape(num_packets, frame_length)[received]
        played = conceal(arrived, received, concealment=self.concealment, sampling_rate=sampling_rate)
        statistics = loss_statistics(received)
        return Perturbed(
            (played[: samples.size] / np.float32(32768)).astype(np.float32),
            {"packets": statistics.packets, "loss_percent": statistics.loss_percent, "mean_burst": statistics.mean_burst},
        )


def to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return 16-bit samples, rounded to nearest and clipped at full scale."""
    quantised: NDArray[np.int16] = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return quantised
