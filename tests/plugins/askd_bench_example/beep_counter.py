"""A runtime: `--model beep-counter:THRESHOLD` counts the stretches that are louder than the threshold."""

from collections.abc import Sequence

import numpy as np

from askd_bench.errors import UserError
from askd_bench.models.protocol import Features, RawAudio
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import SAMPLING_RATE, Transcription, Word

FRAME = SAMPLING_RATE // 20


def load(model: str, options: ModelOptions) -> "BeepCounter":
    """Return the recogniser that the argument of `--model` asks for.

    Raises:
        UserError: the threshold is no number.
    """
    options.must_be_default("dtype", "num_beams", "task", model="beep-counter:, which knows none of these")
    threshold = model.partition(":")[2] or "0.1"
    try:
        return BeepCounter(float(threshold))
    except ValueError:
        raise UserError(f"model: {model!r} has no threshold (allowed: beep-counter:0.1)") from None


class BeepCounter:
    """See `askd_bench.Transcriber`."""

    window_s: float | None = None

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.frontend = RawAudio()
        self.card = ModelCard(
            id=f"beep-counter-{threshold:g}",
            source=f"beep-counter:{threshold:g}",
            architecture="energy threshold",
            parameters=1,
            weights_bytes=8,
            macs_per_second=SAMPLING_RATE,
            weights_sha256="0" * 64,
            decoding={"threshold": threshold},
            dtype="float64",
            device="cpu",
            threads=1,
        )

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        return [self._one(samples) for samples in features]

    def _one(self, samples: Features) -> Transcription:
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        loud = np.sqrt(np.mean(np.square(frames), axis=1)) > self.threshold
        count = int(np.sum(loud[1:] & ~loud[:-1])) + int(loud[:1].sum())
        return Transcription(text=" ".join(["beep"] * count), words=(Word("beep", 0.9),) * count)
