"""How a run tells what it is doing."""

from typing import Protocol


class Progress(Protocol):
    """Told of every step; the command line draws a bar from it."""

    def start(self, corpus: str, condition_ids: list[str], utterances: int, fitting: int, *, part: int | None = None) -> None:
        """A corpus begins: its conditions, its utterances per condition, and those for fitting; of all these only a `part` in a shard."""

    def advance(self, condition: str, utterances: int, *, kept: bool) -> None:
        """Utterances are done; `kept` ones were there from an earlier, interrupted run."""


class Silent:
    """Says nothing."""

    def start(self, corpus: str, condition_ids: list[str], utterances: int, fitting: int, *, part: int | None = None) -> None:
        """Do nothing."""

    def advance(self, condition: str, utterances: int, *, kept: bool) -> None:
        """Do nothing."""
