"""Effects made of delays and slow oscillators: echo, tremolo, phaser, chorus.

They follow what SoX documents and does (https://sox.sourceforge.net/sox.html; version 14.4.2), because Speech Robust Bench defines its
severities by SoX's parameters, whose defaults here are its settings. We differ in one thing: SoX clips at full scale inside the effect,
here the sum may exceed it and the renderer's recorded common gain brings it back.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.types import Samples


def _triangle(length: int, low: float, high: float, phase: float) -> NDArray[np.int64]:
    """Return one period of a triangle wave between two integers, rounded; `phase` in turns, 0 rising through the middle."""
    turns = ((np.arange(length) + int(phase * length + 0.5)) % length) / length
    unit = np.abs((2 * turns + 0.5) % 2 - 1)
    return np.floor((1 - unit) * (high - low) + low + 0.5).astype(np.int64)


def _sine(length: int, low: float, high: float) -> NDArray[np.int64]:
    unit = (np.sin(2 * np.pi * np.arange(length) / length) + 1) / 2
    return np.floor(unit * (high - low) + low + 0.5).astype(np.int64)


class Echo(Perturbation):
    """One echo: `y[n] = gain_out (gain_in x[n] + decay x[n - D])`; the clip grows by the delay.

    Attributes:
        delay_ms: D, in milliseconds.
        gain_in: of the direct sound.
        gain_out: of the sum.
        decay: of the echo, relative to the input.
    """

    delay_ms: float = Field(gt=0, le=2000)
    gain_in: float = Field(0.8, ge=0, le=1)
    gain_out: float = Field(0.9, ge=0, le=1)
    decay: float = Field(0.3, ge=0, le=1)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the clip with its echo, longer by the delay."""
        delay = max(1, int(self.delay_ms * sampling_rate / 1000))
        mixed = np.zeros(samples.size + delay)
        mixed[: samples.size] = self.gain_in * samples.astype(np.float64)
        mixed[delay:] += self.decay * samples.astype(np.float64)
        return Perturbed((self.gain_out * mixed).astype(np.float32), {"tail_s": delay / sampling_rate})


class Tremolo(Perturbation):
    """Amplitude swings between 1 and `1 - depth`: `y[n] = x[n] (1 - depth/2 + depth/2 cos(2 pi f n / rate))`.

    Attributes:
        depth_percent: of the amplitude.
        speed_hz: f.
    """

    depth_percent: float = Field(gt=0, le=100)
    speed_hz: float = Field(20.0, gt=0, le=100)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the modulated clip."""
        half = self.depth_percent / 200
        carrier = 1 - half + half * np.cos(2 * np.pi * self.speed_hz / sampling_rate * np.arange(samples.size))
        return Perturbed((samples * carrier).astype(np.float32))


class Phaser(Perturbation):
    """A comb with feedback whose delay d[n] sweeps between one sample and `delay_ms`.

    `w[n] = gain_in x[n] + decay w[n - d[n]]`, `y = gain_out w`; d moves along a triangle with `speed_hz`, starting at its shortest.

    Attributes:
        decay: of the feedback.
        gain_in: of the input.
        gain_out: of the output.
        delay_ms: the longest delay.
        speed_hz: of the sweep.
    """

    decay: float = Field(ge=0, le=0.99)
    gain_in: float = Field(0.6, ge=0, le=1)
    gain_out: float = Field(0.8, ge=0, le=1)
    delay_ms: float = Field(3.0, gt=0, le=5)
    speed_hz: float = Field(2.0, ge=0.1, le=2)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the phased clip."""
        longest = int(self.delay_ms / 1000 * sampling_rate + 0.5)
        period = int(sampling_rate / self.speed_hz + 0.5)
        sweep = longest + 1 - _triangle(period, 1, longest, 0.25)
        # Feedback over as little as one sample leaves nothing to vectorise; lists are twice as fast as arrays here.
        state = [0.0] * longest
        inputs = (self.gain_in * samples.astype(np.float64)).tolist()
        for n, (value, delay) in enumerate(zip(inputs, np.resize(sweep, samples.size).tolist(), strict=True)):
            state.append(value + self.decay * state[longest + n - delay])
        return Perturbed((self.gain_out * np.array(state[longest:])).astype(np.float32))


class Chorus(Perturbation):
    """Two delayed voices added to the input, as Speech Robust Bench sets SoX's chorus.

    `y[n] = .9 (.7 x[n] + .4 x[n - d1[n]] + .3 x[n - d2[n]])`. d1 sweeps along a triangle of .25 Hz between `delay_ms - 2` and
    `delay_ms + 2` ms, less one sample. d2 follows a sine of .4 Hz between 0 and 2 ms (0 stands for the whole line, `delay_ms + 12` ms): in
    sine mode SoX applies the depth alone and not the delay, and so do we. The clip grows by the longest delay.

    Attributes:
        delay_ms: of the first voice; the second's line is 10 ms longer and determines the tail.
    """

    delay_ms: float = Field(ge=20, le=90)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the chorus, longer by the second voice's delay and depth."""
        depth = int(2.0 * sampling_rate / 1000)
        line = int((self.delay_ms + 2.0) * sampling_rate / 1000)
        tail = int((self.delay_ms + 12.0) * sampling_rate / 1000)
        first = _triangle(int(sampling_rate / 0.25), line - 1 - 2 * depth, line - 1, 0.75)
        second = _sine(int(sampling_rate / float(np.float32(0.4))), 0, depth)  # SoX holds the speed as a float32
        padded = np.concatenate([np.zeros(tail), samples.astype(np.float64), np.zeros(tail)])
        now = np.arange(samples.size + tail) + tail

        def voice(sweep: NDArray[np.int64]) -> NDArray[np.float64]:
            delay = np.resize(sweep, now.size)
            delayed: NDArray[np.float64] = padded[now - np.where(delay == 0, tail, delay)]
            return delayed

        mixed = 0.9 * (0.7 * padded[tail:] + 0.4 * voice(first) + 0.3 * voice(second))
        return Perturbed(mixed.astype(np.float32), {"tail_s": tail / sampling_rate})
