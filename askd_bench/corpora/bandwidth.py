"""Speech that has nothing above the band of a telephone: a codec at 8 kHz takes little away from it."""

from itertools import islice

import numpy as np

from askd_bench.audio import read_utterance
from askd_bench.corpora.base import Corpus
from askd_bench.errors import AudioError
from askd_bench.types import SAMPLING_RATE, Samples

TELEPHONE_HZ = 4000.0

NARROW_DB = -65.0
"""Less than that above the telephone's band, relative to all, is nothing: bundled MP3s have -64 dB and more, codecs mostly leave -75 dB."""

_LOOKED_AT = 200
_NAMED = 5
_TRANSITION_HZ = 200.0
"""What filters of converters need to close."""


def high_band_db(samples: Samples) -> float:
    """Return the power above 4.2 kHz relative to the whole, in dB; -inf for none, and for silence.

    Args:
        samples: float32, shape (num_samples,), at 16 kHz.
    """
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    high = float(power[round((TELEPHONE_HZ + _TRANSITION_HZ) / SAMPLING_RATE * samples.size) :].sum())
    return 10 * float(np.log10(high / power.sum())) if high else -np.inf


def narrow_band(corpus: Corpus) -> str | None:
    """Say how many of the first utterances have nothing above 4 kHz, and which; None where all have. Decodes each of them once.

    Silence, and what cannot be read, is passed over.
    """
    narrow: list[str] = []
    heard = 0
    for utterance in islice(corpus, _LOOKED_AT):
        try:
            samples = read_utterance(utterance)
        except AudioError:
            continue
        if samples.any():
            heard += 1
            narrow += [utterance.id] if high_band_db(samples) < NARROW_DB else []
    if not narrow:
        return None
    more = f" and {len(narrow) - _NAMED} more" if len(narrow) > _NAMED else ""
    return (
        f"{len(narrow)} of {heard} recordings of {corpus.name} have nothing above 4 kHz: they are narrow-band already, and a telephone's "
        f"band takes little away from them ({', '.join(narrow[:_NAMED])}{more})"
    )
