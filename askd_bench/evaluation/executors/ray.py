"""The executor of a Ray cluster: each actor holds the models, and renders and transcribes a few batches of the plan at a time.

Actors get work one piece at a time, results are passed on in the order of the plan, and only so much of it is under way that the memory of
the driver stays flat. Where a process or a machine is lost, Ray restarts its actor wherever there is room, and the driver gives what it
was doing to the next that is free: work never waits for a machine that may not come back. Rows do not depend on who made them.

Source: https://docs.ray.io/en/latest/ray-core/fault_tolerance/actors.html
"""

import itertools
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from askd_bench.errors import UserError
from askd_bench.evaluation.executors.ray_actor import Actor, Description, RemoteModel, Task
from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.versions import versions
from askd_bench.evaluation.workers import Preparer
from askd_bench.log import LOG, Note
from askd_bench.models.load import Model
from askd_bench.models.protocol import Transcriber
from askd_bench.options import ModelOptions
from askd_bench.signature import differences
from askd_bench.types import Row

BATCHES_A_UNIT = 4
"""Work is given out so many batches at a time: enough that the driver is never the limit, few enough that little is lost with an actor."""

_AHEAD = 3
"""Units of work that may be under way or waiting for an earlier one, for each actor."""

_MOST_ATTEMPTS = 4
_MOST_RESTARTS = 10
_PATIENCE_S = 30


@dataclass(slots=True)
class _Unit:
    number: int
    batches: Sequence[Batch]
    attempts: int = 0

    def once_more(self, error: RayError) -> Self:
        """Count an actor that was lost with it.

        Raises:
            UserError: there were too many: it is the unit that kills them.
        """
        self.attempts += 1
        if self.attempts == _MOST_ATTEMPTS:
            raise UserError(
                f"executor: {self.attempts} actors were lost over the same {len(self.batches)} batches, the last one so: "
                f"{_one_line(error)} (allowed: machines with more memory, or a smaller batch_size)"
            ) from error
        return self


class OnRay:
    """See `Executor`; entering connects to the cluster and loads the models in a first actor, the others follow with the first work."""

    models: Sequence[RemoteModel]

    def __init__(
        self,
        load: Callable[[Model, ModelOptions], Transcriber],
        models: Sequence[Model],
        options: ModelOptions,
        *,
        address: str | None,
        profile: Profile,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            load: makes a transcriber of one of `models` and `options` in an actor; a function that can be imported there.
            models: arguments of `load`.
            options: of `load`; `threads` is also how many cores an actor gets, one where it is None.
            address: of the cluster; None for the one this process is connected to, else for a new one on this machine.
            profile: told how long the driver waited.
        """
        self._threads = options.threads or 1
        self._how = load, models, replace(options, threads=self._threads)
        self._address = address
        self._profile = profile
        self._actors: list[Any] = []
        self._tasks = itertools.count()
        self._ours = False
        self._gpus = 0
        self._patient = True

    def __enter__(self) -> Self:
        try:
            self._connect()
            self._places = self._count_places()
            self._actors.append(self._actor())
            self._describe(self._actors[0])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            ray.kill(actor)
        self._actors = []
        if self._ours:
            ray.shutdown()

    def peak_memory_bytes(self) -> int | None:
        """Return None: what decodes is elsewhere."""
        return None

    def transcribe(self, preparer: Preparer, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[list[Row]]]]:
        """Yield each batch with the rows of each model that lacked it."""
        left = iter(batches)
        units = iter(lambda: list(itertools.islice(left, BATCHES_A_UNIT)), [])
        first = next(units, None)
        if first is None:
            return
        self._actors += [self._actor() for _ in range(self._places - len(self._actors))]
        task = ray.put(Task(next(self._tasks), preparer, self._identity))
        numbered = (_Unit(number, unit) for number, unit in enumerate(itertools.chain([first], units)))
        for unit, (rows, notes) in self._in_order(task, numbered):
            _tell(notes)
            yield from zip(unit.batches, rows, strict=True)

    def _in_order(self, task: Any, units: Iterator[_Unit]) -> Iterator[tuple[_Unit, Any]]:
        running: dict[Any, tuple[Any, _Unit | None]] = {_asked(actor): (actor, None) for actor in self._actors}
        idle: deque[Any] = deque()
        again: list[_Unit] = []
        arrived: dict[int, tuple[_Unit, Any]] = {}
        taken = given = 0
        while True:
            while idle:
                if not again and taken < given + _AHEAD * len(self._actors):
                    again += itertools.islice(units, 1)
                    taken += len(again)
                if not again:
                    break
                actor, unit = idle.popleft(), again.pop(0)
                running[actor.transcribe.remote(task, unit.batches)] = actor, unit
            if idle and taken == given:
                return
            done = self._first_done(running)
            actor, undone = running.pop(done)
            try:
                result = _result(done)
            except RayError as error:
                if undone is not None:
                    again = sorted([*again, undone.once_more(error)], key=lambda one: one.number)
                    running[_asked(actor)] = actor, None
                else:
                    self._give_up(actor, error)
                continue
            idle.append(actor)
            if undone is not None:
                arrived[undone.number] = undone, result
            while given in arrived:
                yield arrived.pop(given)
                given += 1

    def _first_done(self, running: Mapping[Any, tuple[Any, _Unit | None]]) -> Any:
        with self._profile.measure("waiting"):
            while True:
                done, _ = ray.wait(list(running), num_returns=1, timeout=_PATIENCE_S)
                if done:
                    return done[0]
                if self._patient and not any(unit for _, unit in running.values()):
                    LOG.info(f"the cluster has no {self._threads} free cores now; waiting for them")
                    self._patient = False

    def _give_up(self, actor: Any, error: RayError) -> None:
        """Go on without an actor that Ray will not restart."""
        self._actors.remove(actor)
        ray.kill(actor)
        if not self._actors:
            raise UserError(f"executor: no actor is left, the last one ended so: {_one_line(error)}") from error

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster started here reports to nobody
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self._address is None:
                ray.init("local", include_dashboard=False, **quiet)
            else:
                host, colon, port = self._address.removeprefix("ray://").rpartition(":")
                if colon and port.isdecimal():  # Ray itself would try for many minutes
                    socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()
                ray.init(self._address, **quiet)
        except (OSError, OverflowError, ValueError, RuntimeError) as error:
            where = self._address or "this machine"
            raise UserError(f"address: no Ray cluster answers at {where!r}: {_one_line(error)} (allowed: auto, or HOST:PORT)") from error
        self._ours = True

    def _count_places(self) -> int:
        """Return how many actors fit onto the machines of the cluster.

        Raises:
            UserError: none does.
        """
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        device = self._how[2].device
        if device.startswith("cuda") or (device == "auto" and any(one.get("GPU") for one in machines)):
            self._gpus = 1
        places = [int(one.get("CPU", 0) // self._threads) for one in machines]
        if self._gpus:
            places = [min(of_cores, int(one.get("GPU", 0))) for of_cores, one in zip(places, machines, strict=True)]
        if not sum(places):
            largest = int(max(one.get("CPU", 0) for one in machines))
            with_gpu = " and a GPU" if self._gpus else ""
            raise UserError(
                f"threads: no machine of the cluster has {self._threads} cores{with_gpu} (allowed: at most {largest}, what the largest has)"
            )
        return sum(places)

    def _actor(self) -> Any:
        resources = {"num_cpus": self._threads, "num_gpus": self._gpus}
        return ray.remote(Actor).options(**resources, max_restarts=_MOST_RESTARTS).remote(*self._how)

    def _describe(self, actor: Any) -> None:
        try:
            description: Description = _result(_asked(actor))
        except RayError as error:
            raise UserError(f"executor: the first actor cannot start: {_one_line(error)}") from error
        if different := differences(versions(), description.versions):
            raise UserError(f"executor: the cluster has other versions than this machine ({'; '.join(different[:3])}); allowed: the same")
        self.models, self._identity = description.models, description.identity
        _tell(description.notes)


def _tell(notes: Iterable[Note]) -> None:
    for level, message in notes:
        LOG.log(level, message)


def _asked(actor: Any) -> Any:
    """Ask an actor to load its models as soon as it is there (again). While it is restarted Ray retries every second: no limit."""
    return actor.describe.options(max_task_retries=-1).remote()


def _result(reference: Any) -> Any:
    """Return a result.

    Raises:
        RayError: its actor was lost.
        UserError: raised in the actor; so is whatever else its code raised.
    """
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise (error.cause or RuntimeError(str(error))) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
