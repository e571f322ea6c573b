"""Rendering and featurising in worker processes, ahead of the model; results come back in the order of the plan."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController, threadpool_limits

from askd_bench.errors import AudioError, UserError
from askd_bench.evaluation.plan import Batch
from askd_bench.models.protocol import Frontend
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.types import SAMPLING_RATE, Realised, Utterance

_AHEAD = 2
"""Batches in flight for each worker: enough that the model never waits, few enough that memory stays flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One utterance ready for the models, with the features of each front end; or the reason why there are none (`error`)."""

    utterance: Utterance
    features: Sequence[NDArray[np.float32]] | None
    duration_s: float
    audio_sha256: str | None
    realised: Realised
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparer:
    """Everything a worker needs.

    Attributes:
        suite, version: they seed perturbations.
        talkers: what babble is made of.
        noise_dir: the user's noise recordings.
        frontends: each different one once; an utterance gets the features of all.
        frontend_of: a model's number -> which of them is its own.
    """

    suite: str
    version: int
    talkers: Sequence[Utterance]
    noise_dir: Path | None
    frontends: Sequence[Frontend]
    frontend_of: Mapping[int, int] = field(default_factory=dict)

    def __call__(self, batch: Batch) -> list[Prepared]:
        """Render and featurise a batch; an utterance whose audio cannot be read becomes an error, the others go on."""
        return [self._prepare(utterance, batch) for utterance in batch.utterances]

    def _prepare(self, utterance: Utterance, batch: Batch) -> Prepared:
        scene = Scene(speaker=utterance.speaker or utterance.id, talkers=self.talkers, noise_dir=self.noise_dir)
        try:
            rendered = render(utterance, batch.condition, suite=self.suite, version=self.version, scene=scene)
        except AudioError as error:
            return Prepared(
                utterance=utterance,
                features=None,
                duration_s=utterance.duration_s or 0.0,
                audio_sha256=None,
                realised={},
                error=str(error),
            )
        return Prepared(
            utterance=utterance,
            features=[frontend(rendered.samples) for frontend in self.frontends],
            duration_s=len(rendered.samples) / SAMPLING_RATE,
            audio_sha256=rendered.sha256,
            realised=rendered.realised,
            error=None,
        )


class Workers:
    """Processes that render and featurise; use it as a context manager, once for as many passes as there are.

    They start at once, and import what they need while the main process loads models.

    Args:
        count: processes; 0 prepares in this one, e.g. where processes cannot be started.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._count:
            self._pool = ProcessPoolExecutor(self._count, multiprocessing.get_context("spawn"), initializer=_start)
            self._pool.submit(_started)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def prepare(self, preparer: Preparer, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Prepared]]]:
        """Yield each batch with its prepared utterances, in order.

        Args:
            preparer: what to do.
            batches: consumed lazily, a few ahead of what was yielded.

        Raises:
            UserError: bad input that stops the run (a missing noise folder), or a worker that died.
        """
        if self._pool is None:
            return _here(preparer, batches)
        return self._ahead(self._pool, pickle.dumps(preparer), batches)

    def _ahead(self, pool: ProcessPoolExecutor, preparer: bytes, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Prepared]]]:
        waiting: deque[tuple[Batch, Future[list[Prepared]]]] = deque()
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(_work, preparer, batch)))
                if len(waiting) > self._count * _AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        except BrokenProcessPool:
            raise UserError(
                f"workers: {self._count} worker processes were asked for and one died, perhaps of too little memory (allowed: fewer, or 0)"
            ) from None
        finally:
            for _, future in waiting:
                future.cancel()


def default_workers() -> int:
    """Return how many workers suit this machine: one for each four cores, at least one; the model needs the rest."""
    return max(1, (os.cpu_count() or 1) // 4)


def _here(preparer: Preparer, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Prepared]]]:
    """Prepare in this process as a worker does, numpy on one thread: on some processors a product's rounding depends on their number."""
    threads = ThreadpoolController()
    for batch in batches:
        with threads.limit(limits=1, user_api="blas"):
            prepared = preparer(batch)
        yield batch, prepared


def _start() -> None:
    threadpool_limits(1)  # the model's threads need the cores
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the main process ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when the main process is gone, even killed: a pool's workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _started() -> None:
    """Do nothing: whoever does it has imported this module."""


def _work(preparer: bytes, batch: Batch) -> list[Prepared]:
    return _unpickled(preparer)(batch)


@lru_cache(maxsize=2)
def _unpickled(preparer: bytes) -> Preparer:
    """Return the preparer, which a worker is sent with every batch and reads once."""
    read: Preparer = pickle.loads(preparer)
    return read
