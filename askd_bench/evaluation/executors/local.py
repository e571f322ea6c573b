"""The executor of one machine: models in this process, rendering in worker processes ahead of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self

from askd_bench.evaluation.memory import peak_memory_bytes
from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.transcribe import BatchTranscriber
from askd_bench.evaluation.workers import Preparer, Workers
from askd_bench.models.load import Model
from askd_bench.models.protocol import REMOTE, Transcriber
from askd_bench.options import ModelOptions
from askd_bench.types import Row


class Local:
    """See `Executor`."""

    models: Sequence[Transcriber]

    def __init__(
        self,
        load: Callable[[Model, ModelOptions], Transcriber],
        models: Sequence[Model],
        options: ModelOptions,
        *,
        workers: int,
        profile: Profile,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            load: makes a transcriber of one of `models` and `options`.
            models: arguments of `load`.
            options: of `load`.
            workers: processes that render; 0 for none.
            profile: told where the time went.
        """
        self._how = load, models, options
        self._workers = Workers(workers)
        self._profile = profile
        self._transcriber: BatchTranscriber | None = None

    def __enter__(self) -> Self:
        self._workers.__enter__()  # first: they import what they need while the models are loaded
        load, models, options = self._how
        try:
            self.models = [load(model, options) for model in models]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()

    def transcribe(self, preparer: Preparer, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[list[Row]]]]:
        """Yield each batch with the rows of each model that lacked it."""
        self._transcriber = BatchTranscriber(self.models, preparer)
        for batch, prepared in self._profile.each("waiting", self._workers.prepare(preparer, batches)):
            with self._profile.measure("loading"):
                self._transcriber.warm_up(batch.models)
            with self._profile.measure("model"):
                rows = self._transcriber.rows(batch, prepared)
            yield batch, rows

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process, if it transcribed anything in the last pass and had one model, here."""
        one = len(self.models) == 1 and self.models[0].card.device != REMOTE
        return peak_memory_bytes() if one and self._transcriber is not None and self._transcriber.warm else None
