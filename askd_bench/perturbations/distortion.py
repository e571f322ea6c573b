"""What cheap or badly set equipment does: clipping, low sampling rates, few bits, MP3. For dropouts see `packet_loss`."""

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.perturbations.filters import clipped
from askd_bench.types import Samples


class Gain(Perturbation):
    """Multiply by `amplitude` and clip at full scale; below 1 it makes the clip faint (and 16 bits coarse)."""

    amplitude: float = Field(gt=0, le=1000)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the louder, clipped clip."""
        return clipped(samples.astype(np.float64) * self.amplitude)


class Resample(Perturbation):
    """Resample to `factor` times the rate and back (soxr, high quality): nothing is left above `factor` times the Nyquist frequency."""

    factor: float = Field(ge=0.05, le=1)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the band-limited clip, as long as before."""
        import soxr

        low = soxr.resample(samples.astype(np.float64), sampling_rate, sampling_rate * self.factor, quality="HQ")
        back = np.asarray(soxr.resample(low, sampling_rate * self.factor, sampling_rate, quality="HQ"), dtype=np.float32)
        return Perturbed(np.pad(back, (0, max(0, samples.size - back.size)))[: samples.size])


class BitDepth(Perturbation):
    """Round to `bits` without dither: `y = round(x 2^(bits-1)) / 2^(bits-1)`, so that what is fainter than half a step is lost."""

    bits: int = Field(ge=2, le=16)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the coarser clip."""
        steps = 2 ** (self.bits - 1)
        return Perturbed((np.clip(np.round(samples.astype(np.float64) * steps), -steps, steps - 1) / steps).astype(np.float32))


class Mp3(Perturbation):
    """Encode as MP3 with LAME at a constant bit rate and decode again, aligned through the encoder's own delay tag.

    Attributes:
        kbps: one of the bit rates that MPEG-2 layer III has at 16 kHz.
    """

    kbps: Literal[8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return what is left of the clip, as long as before."""
        decoded = _mp3_round_trip(samples, sampling_rate, self.kbps * 1000)
        return Perturbed(np.pad(decoded, (0, max(0, samples.size - decoded.size)))[: samples.size])


def _mp3_round_trip(samples: Samples, sampling_rate: int, bit_rate: int) -> NDArray[np.float32]:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=sampling_rate, layout="mono", bit_rate=bit_rate, format="fltp")
        frame = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None, :], format="fltp", layout="mono")
        frame.sample_rate = sampling_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r", format="mp3") as container:
        blocks = [block.to_ndarray().astype(np.float32).reshape(-1) for block in container.decode(audio=0)]
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
