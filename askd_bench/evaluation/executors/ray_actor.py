"""What runs on the machines of a Ray cluster: an actor that holds the models, and renders and transcribes what the driver sends it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askd_bench.errors import UserError
from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.transcribe import BatchTranscriber
from askd_bench.evaluation.versions import versions
from askd_bench.evaluation.workers import Preparer
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
    """A pass over a plan, as actors get it: its number, what prepares its batches, and what an actor must be to take part."""

    number: int
    preparer: Preparer
    identity: Mapping[str, Any]


class Actor:
    """What runs in an actor: loads the models once, and renders and transcribes batches."""

    def __init__(self, load: Callable[[Model, ModelOptions], Transcriber], models: Sequence[Model], options: ModelOptions) -> None:
        self._how = load, models, options
        self._notes = Kept()
        LOG.addHandler(self._notes)
        LOG.setLevel(logging.INFO)
        self._models: list[Transcriber] = []
        self._task: int | None = None
        self._transcriber: BatchTranscriber | None = None

    def describe(self) -> Description:
        """Load the models if that is to be done, and say what there is.

        Raises:
            UserError: one cannot be loaded.
        """
        if not self._models:
            load, models, options = self._how
            self._models = [load(model, options) for model in models]
        models_here = [RemoteModel(one.card, one.window_s, one.frontend) for one in self._models]
        return Description(models=models_here, versions=versions(), notes=self._notes.take())

    def transcribe(self, task: Task, batches: Sequence[Batch]) -> tuple[list[list[list[Row]]], list[Note]]:
        """Return the rows of each batch's models, and what a person should know.

        Raises:
            UserError: this actor would make other rows than the others.
        """
        if self._transcriber is None or self._task != task.number:
            if different := differences(task.identity, self.describe().identity):
                raise UserError(f"executor: the machines of the cluster differ ({'; '.join(different[:3])}); allowed: equal ones")
            self._transcriber, self._task = BatchTranscriber(self._models, task.preparer), task.number
        rows = []
        for batch in batches:
            self._transcriber.warm_up(batch.models)
            rows.append(self._transcriber.rows(batch, task.preparer(batch)))
        return rows, self._notes.take()
