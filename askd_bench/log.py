"""What a person should know of a run goes to the logger `askd_bench`; who runs it decides what is shown and where."""

import logging

LOG = logging.getLogger("askd_bench")

Note = tuple[int, str]
"""(level, message)."""


class Kept(logging.Handler):
    """Keeps records until they are taken: told by a process that nobody reads, for another to tell again."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[Note] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self._records.append((record.levelno, record.getMessage()))

    def take(self) -> list[Note]:
        """Return those kept since the last time."""
        taken, self._records = self._records, []
        return taken
