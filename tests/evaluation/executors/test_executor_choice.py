"""What stands in the way of an executor is told in one line, before anything is written."""

import sys
from pathlib import Path
from typing import Any

import pytest

from askd_bench.errors import UserError
from askd_bench.evaluation.run import run


def refused(tmp_path: Path, corpus: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        run("noisy", "stub", corpus=[str(corpus)], output=tmp_path / "results", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()
    return str(caught.value)


def test_ray_is_asked_for_where_it_is_missing(small_corpus: Path, stub_model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "askd_bench.evaluation.executors.ray", raising=False)
    said = refused(tmp_path, small_corpus, executor="ray")
    assert said == "executor: 'ray' needs a package that is not installed (allowed: local, or pip install askd-bench[ray])"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid:6379", "nonsense"])
def test_an_address_without_a_cluster_is_told(address: str, small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    said = refused(tmp_path, small_corpus, executor="ray", address=address)
    assert said.startswith(f"address: no Ray cluster answers at '{address}': ")
    assert said.endswith("(allowed: auto, or HOST:PORT)")


def test_work_that_ends_actor_after_actor_ends_the_run() -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.exceptions import RayActorError

    from askd_bench.evaluation.executors.ray import _MOST_ATTEMPTS, _Unit

    unit = _Unit(7, [])
    for _ in range(_MOST_ATTEMPTS - 1):
        assert unit.once_more(RayActorError()) is unit
    with pytest.raises(UserError, match=r"^executor: 4 actors were lost over the same 0 batches.*a smaller batch_size\)$"):
        unit.once_more(RayActorError())
