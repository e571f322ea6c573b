"""What a run says of the clips that failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from askd_bench.results import Result


@dataclass(frozen=True, slots=True)
class Failures:
    """How many of a result's clips failed, of how many, and the first reason; `of` counts every condition."""

    failed: int
    of: int
    reason: str

    def __str__(self) -> str:
        """Return the line for the terminal, e.g. `2 of 2 clips failed, e.g. a.wav: does not exist`."""
        return f"{self.failed} of {self.of} clips failed, e.g. {self.reason}"


def failures(result: Result) -> Failures | None:
    """Return what failed in a result that has ended; None where nothing did."""
    summary = result.stored_summary()
    conditions = summary["conditions"].values()
    failed = sum(one["n_errors"] for one in conditions)
    if not failed:
        return None
    reason = next((row.error for row in result.rows() if row.error and row.split == summary["split"]), "")
    return Failures(failed, sum(one["n_utterances"] for one in conditions), reason or "")


def nothing_scored(found: Sequence[Failures | None]) -> bool:
    """Return whether some result has no clip that could be scored."""
    return any(one is not None and one.failed == one.of for one in found)
