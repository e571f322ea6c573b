"""The progress bar of a run, and what is to be known of it above the bar."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from askd_bench.report.notes import Notes


class ProgressBar:
    """One bar a corpus over all its conditions, naming the condition under way, with the time left; see `evaluation.progress.Progress`.

    It appears with the first corpus, and only then what has been logged, so that a command that is refused prints its error alone.
    """

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
        self._notes = Notes(console, held=True)
        self._task: TaskID | None = None
        self._corpus = ""
        self._kept = 0

    def __enter__(self) -> Self:
        self._notes.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._notes.__exit__()
        if self._task is not None:  # stopping prints a line
            self._bar.stop()

    def start(self, corpus: str, condition_ids: list[str], utterances: int, fitting: int, *, part: int | None = None) -> None:
        """Begin a corpus."""
        self._notes.show_held()
        self._bar.start()
        total = utterances * len(condition_ids) + fitting if part is None else part
        self._notes.show(
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
            self._notes.show(f"{self._corpus}: {self._kept} utterances kept from an earlier run; RTFx will be null")
            self._kept = 0
        self._kept += utterances if kept else 0
        self._bar.update(self._task, advance=utterances, description=f"{self._corpus} · {condition}")
