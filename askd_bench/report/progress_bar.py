"""The progress bar of a run."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class ProgressBar:
    """One bar a corpus over all its conditions, naming the condition under way, with the time left; see `evaluation.progress.Progress`."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=120,
        )
        self._task: TaskID | None = None
        self._corpus = ""
        self._kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:  # stopping prints a line
            self._bar.stop()

    def start(self, corpus: str, condition_ids: list[str], utterances: int, fitting: int, *, part: int | None = None) -> None:
        """Begin a corpus; the bar appears with the first, so that a command that is refused prints its error alone."""
        self._bar.start()
        total = utterances * len(condition_ids) + fitting if part is None else part
        self.note(
            f"{corpus}: {len(condition_ids)} conditions × {utterances} utterances"
            + (f" + {fitting} clean dev utterances for temperature scaling" if fitting else "")
            + (f"; this shard: {part} of these" if part is not None else "")
        )
        self._corpus, self._kept = corpus, 0
        self._task = self._bar.add_task(corpus, total=total)

    def advance(self, condition: str, utterances: int, *, kept: bool) -> None:
        """Move on."""
        if self._task is None:
            return
        if not kept and self._kept:
            self.note(f"{self._corpus}: {self._kept} utterances kept from an earlier run; RTFx will be null")
            self._kept = 0
        self._kept += utterances if kept else 0
        self._bar.update(self._task, advance=utterances, description=f"{self._corpus} · {condition}")

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(message, highlight=False, style="dim")
