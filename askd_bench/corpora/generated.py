"""Corpora that are made, not recorded."""

from collections.abc import Iterator
from dataclasses import dataclass

from askd_bench.corpora.base import Corpus, Digest
from askd_bench.perturbations.silence import silence_utterances
from askd_bench.types import Utterance

SILENCE = "silence"


@dataclass(frozen=True, kw_only=True)
class SilenceCorpus(Corpus):
    """Clips of digital silence with empty references, 2 to 30 s: what the `silence` suite puts sounds into."""

    name: str = SILENCE
    source: str = SILENCE
    description: str = "Digital silence, 40 clips of 2 to 30 s: every word a model writes is invented"
    licence: str = "CC0-1.0"
    group_is: str = "duration"

    def __iter__(self) -> Iterator[Utterance]:
        """Yield the clips, shortest first."""
        return iter(silence_utterances())

    def fingerprint(self) -> str:
        """Return the sha256 of ids and durations; not of the encoded bytes, which depend on the FLAC encoder."""
        digest = Digest()
        for utterance in self:
            digest.add(utterance.id, utterance.duration_s)
        return digest.hex()
