"""How a run tells what it is doing."""

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Told of every step; the command line draws a bar from it."""

    def start(self, corpus: str, condition_ids: list[str], utterances: int, fitting: int, *, part: int | None = None) -> None:
        """A corpus begins: its conditions, its utterances per condition, and those for fitting; of all these only a `part` in a shard."""

    def advance(self, condition: str, utterances: int, *, kept: bool) -> None:
        """Utterances are done; `kept` ones were there from an earlier, interrupted run."""

    def note(self, message: str) -> None:
        """Something a person should know."""


class Silent:
    """Says nothing."""

    def start(self, corpus: str, condition_ids: list[str], utterances: int, fitting: int, *, part: int | None = None) -> None:
        """Do nothing."""

    def advance(self, condition: str, utterances: int, *, kept: bool) -> None:
        """Do nothing."""

    def note(self, message: str) -> None:
        """Do nothing."""


class Held:
    """Takes notes and keeps them back until `release`: bad input is one line, so that all else waits until there is none."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._kept: list[str] | None = []

    def __call__(self, message: str) -> None:
        """Keep a note, or pass it on."""
        if self._kept is None:
            self._note(message)
        else:
            self._kept.append(message)

    def release(self) -> None:
        """Pass on what was kept, and from now on everything."""
        kept, self._kept = self._kept or [], None
        for message in kept:
            self._note(message)
