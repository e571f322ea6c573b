"""What runs on the machines of a Ray cluster: an actor that holds the models, and renders and hears what the driver sends it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askd_bench.errors import UserError
from askd_bench.evaluation.panel import Hearing, Panel, Work
from askd_bench.evaluation.versions import versions
from askd_bench.log import LOG, Kept, Note
from askd_bench.models.load import Model
from askd_bench.models.protocol import Frontend, Transcriber
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard, differences
from askd_bench.types import Row


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What the driver knows of a model that actors hold; see `Described`."""

    card: ModelCard
    window_s: float | None
    frontend: Frontend


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an actor says of itself: its models, what is installed where it runs, and what a person should know."""

    models: Sequence[RemoteModel]
    versions: Mapping[str, str]
    notes: Sequence[Note]

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that may change a row; equal for all actors of a run."""
        return {"versions": dict(self.versions)} | {f"model {number}": one.card.model_dump() for number, one in enumerate(self.models)}


@dataclass(frozen=True, slots=True)
class Task:
    """A pass over a plan, as actors get it: its number, who hears it, and what an actor must be to take part."""

    number: int
    panel: Panel
    identity: Mapping[str, Any]


class Hearer:
    """What runs in an actor: loads the models once, and renders and hears units of work."""

    def __init__(self, load: Callable[[Model, ModelOptions], Transcriber], models: Sequence[Model], options: ModelOptions) -> None:
        self._how = load, models, options
        self._notes = Kept()
        LOG.addHandler(self._notes)
        LOG.setLevel(logging.INFO)
        self._transcribers: list[Transcriber] = []
        self._task: int | None = None
        self._hearing: Hearing | None = None

    def describe(self) -> Description:
        """Load the models if that is to be done, and say what there is.

        Raises:
            UserError: one cannot be loaded.
        """
        if not self._transcribers:
            load, models, options = self._how
            self._transcribers = [load(model, options) for model in models]
        models_here = [RemoteModel(one.card, one.window_s, one.frontend) for one in self._transcribers]
        return Description(models=models_here, versions=versions(), notes=self._notes.take())

    def hear(self, task: Task, works: Sequence[Work]) -> tuple[list[list[list[Row]]], list[Note]]:
        """Return the rows of each piece of work, and what a person should know.

        Raises:
            UserError: this actor would make other rows than the others.
        """
        if self._hearing is None or self._task != task.number:
            if different := differences(task.identity, self.describe().identity):
                raise UserError(f"executor: the machines of the cluster differ ({'; '.join(different[:3])}); allowed: equal ones")
            self._hearing, self._task = Hearing(task.panel, self._transcribers), task.number
        rows = []
        for work in works:
            self._hearing.warm_up(work.lacking)
            rows.append(self._hearing.rows(work, task.panel.preparer(work.batch)))
        return rows, self._notes.take()
