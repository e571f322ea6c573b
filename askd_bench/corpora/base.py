"""What a corpus is: named utterances that stream, any number of times, with a fingerprint of what they are."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from askd_bench.types import Utterance

NOT_SCORED = "ignore_time_segment_in_scoring"
"""What EdAcc, TED-LIUM and NIST's scorers write in place of the text of a segment that is not to be scored, in any case."""


@dataclass(frozen=True, kw_only=True)
class Corpus(ABC):
    """Utterances from one source. Iterate as often as needed: each pass reads the source anew and keeps nothing.

    Attributes:
        name: letters, digits, `.`, `_` and `-` only, so that it can name a folder.
        source: where the utterances come from, as `open_corpus` can be asked for it again (for the signature of a run).
        description: one line.
        licence: of the recordings; "unknown" where the source does not say.
        group_is: what `Utterance.group` means, e.g. "accent (judged)".
        speaker_is: what `Utterance.speaker` means, e.g. "actor".
        left_out: why rows of the source are no utterances here, and how many; as the latest pass to the end found them.
    """

    name: str
    source: str
    description: str = ""
    licence: str = "unknown"
    group_is: str = "group"
    speaker_is: str = "speaker"
    left_out: Counter[str] = field(default_factory=Counter, init=False, compare=False, repr=False)

    @abstractmethod
    def __iter__(self) -> Iterator[Utterance]:
        """Yield the utterances in the source's order.

        Raises:
            UserError: the source turns out to be malformed.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return the sha256 (hex) of what identifies the utterances; each kind of corpus says what that covers."""

    def scored(self, utterances: Iterator[Utterance | None]) -> Iterator[Utterance]:
        """Yield what is to be scored: utterances with a reference (those without one are None) that are not marked `NOT_SCORED`."""
        left_out: Counter[str] = Counter()
        for utterance in utterances:
            if utterance is None:
                left_out["no reference"] += 1
            elif utterance.reference.strip().lower() == NOT_SCORED:
                left_out["marked as not to be scored"] += 1
            else:
                yield utterance
        self.left_out.clear()
        self.left_out.update(left_out)

    def metadata(self) -> Iterator[Utterance]:
        """Yield the same utterances in the same order where only the audio may be missing (`b""`): cheaper when it would be fetched."""
        return iter(self)


class Digest:
    """A sha256 over values fed one by one; their boundaries count."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, *values: object) -> None:
        """Feed values, told apart by their `repr`."""
        self._sha256.update(repr(values).encode())

    def hex(self) -> str:
        """Return the digest of all that was fed, 64 hexadecimal digits."""
        return self._sha256.hexdigest()


def folder_name(text: str) -> str:
    """Return `text` made fit to name a folder.

    >>> folder_name("openslr/librispeech_asr")
    'openslr-librispeech_asr'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "corpus"
