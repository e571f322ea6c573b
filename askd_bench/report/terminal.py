"""Where the commands print."""

import os
import sys

from rich.console import Console

_WIDE = 160


def console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; a pipe or a log has no width of its own, and tables need more than 80."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() or "COLUMNS" in os.environ else _WIDE)
