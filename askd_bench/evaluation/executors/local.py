"""The executor of one machine: models in this process, rendering in worker processes ahead of them."""

import itertools
from collections.abc import Iterator, Sequence

from askd_bench.evaluation.memory import peak_memory_bytes
from askd_bench.evaluation.panel import Hearing, Panel, Work
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.workers import Workers
from askd_bench.models.protocol import REMOTE, Transcriber
from askd_bench.types import Row


class Local:
    """See `Executor`; `workers` render."""

    def __init__(self, models: Sequence[Transcriber], *, workers: Workers, profile: Profile) -> None:
        self.models = models
        self._workers = workers
        self._profile = profile
        self._hearing: Hearing | None = None

    def hear(self, panel: Panel, works: Iterator[Work]) -> Iterator[list[list[Row]]]:
        """Yield the rows of each member for each piece of work."""
        self._hearing = Hearing(panel, self.models)
        first = next(works, None)
        if first is None:
            return
        works, ahead = itertools.tee(itertools.chain([first], works))
        rendered = self._workers.prepare(panel.preparer, (work.batch for work in ahead))
        for work in works:
            with self._profile.measure("loading"):
                self._hearing.warm_up(work.lacking)
            with self._profile.measure("waiting"):
                _, prepared = next(rendered)
            with self._profile.measure("model"):
                rows = self._hearing.rows(work, prepared)
            yield rows

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process, if it decoded anything in the last pass and had one model, here."""
        one = len(self.models) == 1 and self.models[0].card.device != REMOTE
        return peak_memory_bytes() if one and self._hearing is not None and self._hearing.warm else None
