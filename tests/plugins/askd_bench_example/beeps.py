"""A corpus: any class or function without arguments that gives one; its name is that of the entry point."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile

from askd_bench.corpora.base import Corpus, Digest
from askd_bench.types import SAMPLING_RATE, Utterance

BEEP_S, PAUSE_S = 0.3, 0.3


@dataclass(frozen=True, kw_only=True)
class Beeps(Corpus):
    """Tones of 440 Hz, one to six in a clip; the text has a word for each."""

    name: str = "beeps"
    source: str = "beeps"
    description: str = "One to six beeps"
    licence: str = "CC0-1.0"

    def __iter__(self) -> Iterator[Utterance]:
        for count in range(1, 7):
            yield Utterance(
                id=f"beeps-{count}",
                audio=_wav(count),
                reference=" ".join(["beep"] * count),
                duration_s=count * (BEEP_S + PAUSE_S),
            )

    def fingerprint(self) -> str:
        digest = Digest()
        for utterance in self:
            digest.add(utterance.id, utterance.reference, utterance.audio)
        return digest.hex()


def _wav(count: int) -> bytes:
    beep = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(BEEP_S * SAMPLING_RATE)) / SAMPLING_RATE)
    stream = io.BytesIO()
    soundfile.write(stream, np.tile(np.pad(beep, (0, round(PAUSE_S * SAMPLING_RATE))), count), SAMPLING_RATE, format="WAV")
    return stream.getvalue()
