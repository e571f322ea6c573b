"""One pass over a corpus: every rendering is made once and heard by every model that still lacks it; rows are stored as they come."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from askd_bench.evaluation.inputs import count
from askd_bench.evaluation.panel import Described, Executor, Panel, Work
from askd_bench.evaluation.plan import Plan
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.progress import Progress
from askd_bench.results import RowStore


@dataclass(slots=True)
class Listener:
    """A model, where its rows go, and how many batches of the plan it has done."""

    model: Described
    store: RowStore
    done: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """Of a plan: utterances under each condition, and those for fitting."""

    utterances: int
    fitting: int

    @classmethod
    def of(cls, plan: Plan) -> "Size":
        """Count, which may take a pass over the corpus."""
        return cls(count(plan.reported), count(plan.fitting) if plan.fitting else 0)

    def rows(self, plan: Plan) -> int:
        """Return how many rows the whole plan comes to, whatever part of it this is."""
        return self.utterances * len(plan.conditions) + self.fitting


def hear(
    plan: Plan, size: Size, listeners: Sequence[Listener], panel: Panel, executor: Executor, *, progress: Progress, profile: Profile
) -> None:
    """Do what is left of a plan, for the members of a panel, and store their rows batch by batch.

    Listeners, in the order of the panel, may stand at different batches, each after its own interruption.
    """
    part = plan.part.utterances if plan.part else None
    progress.start(plan.reported.name, [c.id for c in plan.conditions], size.utterances, size.fitting, part=part)
    for listener in listeners:
        listener.done = listener.store.keep_whole_batches(batch.keys for batch in plan)
    first = min(listener.done for listener in listeners)
    batches = iter(plan)
    for batch in itertools.islice(batches, first):
        progress.advance(batch.condition.id, len(batch.utterances), kept=True)
    left = (
        Work(batch, [place for place, listener in enumerate(listeners) if listener.done <= number])
        for number, batch in enumerate(batches, start=first)
    )
    works, given = itertools.tee(left)
    for heard, work in zip(executor.hear(panel, given), works, strict=True):
        with profile.measure("storing"):
            for place, rows in zip(work.lacking, heard, strict=True):
                listeners[place].store.append(rows)
        progress.advance(work.batch.condition.id, len(work.batch.utterances), kept=False)
