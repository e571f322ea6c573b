"""Durations that a source claims, beside those of its files."""

from itertools import islice
from pathlib import Path

from askd_bench.audio import audio_duration_s
from askd_bench.corpora.base import Corpus

TOLERANCE_S = 0.5
"""Headers of compressed audio are this far off at times."""

_LOOKED_AT = 1_000


def unlike_files(corpus: Corpus) -> str | None:
    """Say how many whole recordings last otherwise than the source says, by their headers; None where all agree.

    Looks at the first thousand: a manifest of other recordings, or of parts without offsets, shows itself early.
    """
    unlike: list[str] = []
    for utterance in islice(corpus.metadata(), _LOOKED_AT):
        if utterance.duration_s is None or utterance.offset_s is not None or not isinstance(utterance.audio, Path):
            continue
        real = audio_duration_s(utterance.audio)
        if real is not None and abs(real - utterance.duration_s) > TOLERANCE_S:
            unlike.append(f"{utterance.id}: {utterance.duration_s:g} s, its file {real:.2f} s")
    if not unlike:
        return None
    return f"{len(unlike)} recordings do not last as long as {corpus.name} says; read whole (a part needs an offset), e.g. {unlike[0]}"
