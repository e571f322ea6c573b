"""What `run` asks of the place where models are, be it this process or a cluster."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.workers import Preparer
from askd_bench.models.protocol import Described
from askd_bench.types import Row


class Executor(Protocol):
    """Holds the models, renders batches and transcribes them. Entering it as a context loads the models."""

    @property
    def models(self) -> Sequence[Described]:
        """The models, in the order in which they were asked for."""

    def transcribe(self, preparer: Preparer, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[list[Row]]]]:
        """Yield each batch, in order, with the rows of each of `batch.models`; `batches` is read a few ahead."""

    def peak_memory_bytes(self) -> int | None:
        """Return the largest resident set of the process that transcribed last, where that process had one model alone."""
