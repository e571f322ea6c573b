"""What a run says of the clips that failed."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from askd_bench.corpora import open_stored
from askd_bench.errors import UserError
from askd_bench.results import Result
from askd_bench.tables.printable import printable

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Failures:
    """How many of a result's clips failed, of how many, and which; `of` counts every condition.

    `reasons`: utterance -> why, the first reason under any condition. `files`: utterance -> its recording, where it is a file.
    """

    failed: int
    of: int
    reasons: Mapping[str, str]
    files: Mapping[str, Path]

    def __str__(self) -> str:
        """Return lines for the terminal: how many failed, then a line for each of the first recordings, with its file and the reason."""
        lines = [f"{reason} ({self.files[name]})" if name in self.files else reason for name, reason in self.reasons.items()]
        more = [f"and {len(lines) - _SHOWN} more recordings"] if len(lines) > _SHOWN else []
        return "\n  ".join([f"{self.failed} of {self.of} clips failed:", *map(printable, lines[:_SHOWN]), *more])


def failures(result: Result) -> Failures | None:
    """Return what failed in a result that has ended; None where nothing did."""
    summary = result.stored_summary()
    conditions = summary["conditions"].values()
    failed = sum(one["n_errors"] for one in conditions)
    if not failed:
        return None
    reasons: dict[str, str] = {}
    for row in result.rows():
        if row.error and row.split == summary["split"]:
            reasons.setdefault(row.utterance, row.error)
    return Failures(failed, sum(one["n_utterances"] for one in conditions), reasons, _files(result, reasons.keys()))


def nothing_scored(found: Sequence[Failures | None]) -> bool:
    """Return whether some result has no clip that could be scored."""
    return any(one is not None and one.failed == one.of for one in found)


def _files(result: Result, utterances: Set[str]) -> dict[str, Path]:
    """Return the recordings of utterances; nothing where the corpus is out of reach by now, or on the network, where it has no files."""
    try:
        corpus = open_stored(result.signature().corpus.source)
        return {one.id: one.audio for one in corpus.metadata() if one.id in utterances and isinstance(one.audio, Path)}
    except UserError:
        return {}
