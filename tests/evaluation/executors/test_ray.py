"""On a Ray cluster of two machines (two nodes of one core each on this one) a run leaves the rows of a local run, whatever is lost."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import stub_transcriber
from stub_runs import CONDITIONS, timeless, without_speed

from askd_bench.errors import UserError
from askd_bench.evaluation.progress import Silent
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.rows import ROWS_FILE

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")

MODELS = ["one", "two"]
OBJECT_STORE_BYTES = 80 * 1024 * 1024


@pytest.fixture
def cluster() -> Iterator[Any]:
    """This process connected to a cluster whose actors find the stub."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster()
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False)
            ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def run_stubs(corpus: Path, output: Path, **options: Any) -> list[CorpusResult]:
    conditions = [*CONDITIONS, "white-10dB", "babble-10dB", "music-10dB"]
    return run("noisy", MODELS, corpus=[str(corpus)], output=output, conditions=conditions, batch_size=2, **options)


class At(Silent):
    """Does things as soon as so many utterances are stored."""

    def __init__(self, acts: dict[int, Callable[[], object]]) -> None:
        self.acts = acts
        self.stored = 0

    def advance(self, condition: str, utterances: int, *, kept: bool) -> None:
        if not kept:
            self.stored += utterances
            for due in [number for number in self.acts if number <= self.stored]:
                self.acts.pop(due)()


def interrupt() -> None:
    raise KeyboardInterrupt


def kill_one_at_work(killed: list[int]) -> None:
    """Kill the first actor that is seen transcribing something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                if child.cmdline()[0] == "ray::Actor.transcribe":
                    child.kill()
                    killed.append(child.pid)
                    return
        time.sleep(0.01)


def test_rows_are_those_of_a_local_run_whatever_is_lost(
    cluster: Any, small_corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One test for all, since a cluster takes seconds to start: the driver is interrupted, then a process killed, then a machine lost."""
    check_bad_input_is_one_line(small_corpus, tmp_path / "bad")
    monkeypatch.setattr("askd_bench.evaluation.run.load_transcriber", stub_transcriber.load_stub)
    local = run_stubs(small_corpus, tmp_path / "local", workers=0)
    monkeypatch.setattr("askd_bench.evaluation.run.load_transcriber", stub_transcriber.load_slow_stub)

    with pytest.raises(KeyboardInterrupt):
        run_stubs(small_corpus, tmp_path / "ray", executor="ray", progress=At({11: interrupt}))
    kept = [(tmp_path / "ray" / one.path.relative_to(tmp_path / "local") / ROWS_FILE).read_bytes().count(b"\n") for one in local]
    assert kept == [12, 12]

    killed: list[int] = []
    killer = threading.Thread(target=kill_one_at_work, args=(killed,))
    lose_a_machine = partial(cluster.remove_node, next(iter(cluster.worker_nodes)), allow_graceful=False)
    progress = At({4: killer.start, 40: lose_a_machine})
    results = run_stubs(small_corpus, tmp_path / "ray", executor="ray", progress=progress)
    killer.join()
    assert len(killed) == 1
    assert progress.acts == {}
    assert progress.stored == 7 * 10 + 3 - 12, "only what was left was done"

    assert [one.model for one in results] == MODELS
    for one, same in zip(results, local, strict=True):
        assert timeless(one.path / ROWS_FILE) == timeless(same.path / ROWS_FILE)
        assert one.signature == same.signature
        assert without_speed(one.summary) == without_speed(same.summary)
        assert one.summary["peak_memory_bytes"] is None, "of the driver, it would say nothing"


def check_bad_input_is_one_line(corpus: Path, output: Path) -> None:
    for options, said in (
        ({"model": "two"}, r"^model: 'two' is unknown"),
        ({"threads": 3}, r"^threads: no machine of the cluster has 3 cores \(allowed: at most 1, what the largest has\)$"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            run("noisy", corpus=[str(corpus)], output=output, executor="ray", **options)
        assert "\n" not in str(caught.value)
    assert not output.exists()
