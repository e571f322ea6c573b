"""What commands tell while they work: what is logged, and warnings about figures."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console

from askd_bench.errors import FigureWarning
from askd_bench.log import LOG


@contextmanager
def warnings_shown(console: Console) -> Iterator[None]:
    """Print warnings about figures, each in a line; others are shown as ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", FigureWarning)
        otherwise = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, FigureWarning):
                console.print(f"warning: {message}", style="yellow", highlight=False, markup=False, soft_wrap=True)
            else:
                otherwise(message, category, *where, **more)

        warnings.showwarning = show
        yield


class Notes(logging.Handler):
    """Shows what is logged while it is entered; `held`, only from `show_held` on."""

    def __init__(self, console: Console, *, held: bool = False) -> None:
        super().__init__()
        self._console = console
        self._held: list[str] | None = [] if held else None

    def __enter__(self) -> Self:
        LOG.addHandler(self)
        self._level_before = LOG.level
        LOG.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        LOG.removeHandler(self)
        LOG.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or hold it back."""
        if self._held is None:
            self.show(record.getMessage())
        else:
            self._held.append(record.getMessage())

    def show_held(self) -> None:
        """Show what was held back, and from now on everything."""
        held, self._held = self._held or [], None
        for message in held:
            self.show(message)

    def show(self, message: str) -> None:
        """Print a line."""
        self._console.print(message, highlight=False, markup=False, style="dim")
