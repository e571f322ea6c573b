"""Where the time of a run went."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class Profile:
    """Seconds of wall time by what the main process was doing; rendering happens beside it, in workers.

    Attributes:
        seconds: activity -> seconds. "model" is the models' own passes, all the rest is the harness: "loading" models and their
            first pass, which warms up, "waiting" for rendered audio, "storing" rows, "summarising".
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, activity: str) -> Iterator[None]:
        """Add the time of a block to an activity."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[activity] = self.seconds.get(activity, 0.0) + time.perf_counter() - started

    def each(self, activity: str, items: Iterable[Item]) -> Iterator[Item]:
        """Pass items on, and add the time that each takes to come to an activity."""
        iterator, end = iter(items), object()
        while True:
            with self.measure(activity):
                item = next(iterator, end)
            if item is end:
                return
            yield item  # type: ignore[misc]

    @property
    def overhead(self) -> float | None:
        """Share of the time, from loaded models to stored summaries, that is not the models'; None if they did nothing."""
        model_s = self.seconds.get("model", 0.0)
        total = sum(seconds for activity, seconds in self.seconds.items() if activity != "loading")
        return 1 - model_s / total if model_s else None
