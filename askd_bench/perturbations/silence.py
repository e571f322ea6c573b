"""Clips in which nobody speaks: what the `silence` corpus consists of. The suite's conditions then put sounds into them."""

import io

import numpy as np

from askd_bench.types import SAMPLING_RATE, Utterance

DURATIONS_S = (2, 5, 10, 20, 30)
CLIPS_PER_DURATION = 8


def silent_flac(duration_s: float) -> bytes:
    """Return a FLAC file of digital silence, 16 kHz, 16 bits: a few hundred bytes.

    Args:
        duration_s: seconds, above 0.
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(round(duration_s * SAMPLING_RATE), dtype=np.int16), SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def silence_utterances() -> list[Utterance]:
    """Return digitally silent utterances with an empty reference, 2 to 30 s, grouped by duration.

    The clips of one duration differ only by their id, which is enough: the generator that draws a condition's sound is seeded with it.

    >>> [utterance.id for utterance in silence_utterances()][:2]
    ['silence-02s-00', 'silence-02s-01']
    """
    return [
        Utterance(id=f"silence-{duration:02d}s-{index:02d}", audio=audio, reference="", duration_s=float(duration), group=f"{duration} s")
        for duration, audio in ((duration, silent_flac(duration)) for duration in DURATIONS_S)
        for index in range(CLIPS_PER_DURATION)
    ]
