"""Shards of a run, joined, are the whole run; and whatever is not all of its shards is refused."""

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_runs import BATCH, CONDITIONS, run_stub, timeless, without_speed
from stub_transcriber import HashingTranscriber

from askd_bench.compression import SUFFIXES, packed
from askd_bench.corpora import Corpus, open_corpus
from askd_bench.errors import UserError
from askd_bench.evaluation.merge import merge
from askd_bench.evaluation.plan import Plan
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.evaluation.shards import DONE_FILE, Shard
from askd_bench.results import SUMMARY_FILE, Result
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE
from askd_bench.suites import Condition
from askd_bench.types import Utterance

COUNT = 3


@dataclass(frozen=True, kw_only=True)
class Listed(Corpus):
    """`passes` counts how often the utterances themselves were read."""

    utterances: tuple[Utterance, ...]
    passes: list[str]
    silent_metadata: bool = False

    def __iter__(self) -> Iterator[Utterance]:
        self.passes.append(self.name)
        return iter(self.utterances)

    def metadata(self) -> Iterator[Utterance]:
        return (replace(one, audio=b"") for one in self.utterances) if self.silent_metadata else iter(self.utterances)

    def fingerprint(self) -> str:
        return str(hash(self.utterances))


def plan_of(reported: list[float], fitting: list[float] | None, batch_size: int, conditions: int = 3) -> Plan:
    def listed(prefix: str, durations: list[float]) -> Listed:
        utterances = tuple(Utterance(id=f"{prefix}{i}", audio=b"", reference="", duration_s=d) for i, d in enumerate(durations))
        return Listed(name="listed", source="listed", utterances=utterances, passes=[])

    return Plan(
        conditions=[Condition(id=f"c{i}") for i in range(conditions)],
        reported=listed("r", reported),
        fitting=None if fitting is None else listed("f", fitting),
        baseline="c0",
        batch_size=batch_size,
        window_s=30.0,
    )


durations = st.lists(st.floats(0, 60), min_size=1, max_size=400)


@given(reported=durations, fitting=st.none() | durations, batch_size=st.integers(1, 20), data=st.data())
def test_shards_are_the_plan_cut_evenly(reported: list[float], fitting: list[float] | None, batch_size: int, data: st.DataObject) -> None:
    plan = plan_of(reported, fitting, batch_size)
    whole = list(plan)
    count = data.draw(st.integers(1, len(whole)))
    parts = [Shard(index, count).of(plan) for index in range(1, count + 1)]
    cut = [list(part) for part in parts]
    assert [batch for batches in cut for batch in batches] == whole
    sizes = [len(batches) for batches in cut]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    assert [part.part.utterances for part in parts if part.part] == [sum(len(b.utterances) for b in batches) for batches in cut]


def test_a_shard_reads_the_utterances_of_its_own_conditions_alone() -> None:
    plan = plan_of([1.0] * 8, None, 4)
    shard = Shard(3, 3).of(plan)
    assert isinstance(plan.reported, Listed)
    assert [batch.condition.id for batch in shard] == ["c2", "c2"]
    assert plan.reported.passes == ["listed"], "once, not once for each condition before"


def test_durations_that_only_the_audio_tells_are_read_from_it() -> None:
    speech = list(open_corpus("accents"))[:16]
    utterances = tuple(replace(one, audio=Path(one.audio).read_bytes(), duration_s=None) for one in speech)
    corpus = Listed(name="listed", source="listed", utterances=utterances, passes=[], silent_metadata=True)
    plan = replace(plan_of([1.0], None, 4), reported=corpus)
    assert list(plan.outline().sizes["c1"]) == [4, 4, 4, 4] == [len(batch.utterances) for batch in plan][4:8]


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b", "1/ 3", "01/3", "١/٣"])
def test_what_is_no_shard_is_told_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"^shard: .* is none \(allowed: i/n with i from 1 to n, e\.g\. 3/8\)$"):
        Shard.parse(text)


@pytest.fixture(scope="module")
def loaded_stub() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("askd_bench.evaluation.run.load_transcriber", lambda *_, **__: HashingTranscriber())
        yield


@pytest.fixture(scope="module")
def whole(small_corpus: Path, loaded_stub: None, tmp_path_factory: pytest.TempPathFactory) -> CorpusResult:
    return run_stub(small_corpus, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def finished(small_corpus: Path, loaded_stub: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder that holds all shards and nothing else."""
    output = tmp_path_factory.mktemp("finished")
    for index in range(1, COUNT + 1):
        run_stub(small_corpus, output, shard=f"{index}/{COUNT}")
    return output


@pytest.fixture
def shards(finished: Path, tmp_path: Path) -> Path:
    """The same in a folder that may be spoilt."""
    return Path(shutil.copytree(finished, tmp_path / "shards"))


def folder(output: Path, index: int, count: int = COUNT) -> Path:
    return output / "stub" / "noisy-v1" / "small.shards" / f"{index}-of-{count}"


def everything(path: Path) -> dict[Path, bytes | None]:
    return {one: one.read_bytes() if one.is_file() else None for one in path.rglob("*")}


def check_whole(merged: Result, whole: CorpusResult) -> None:
    assert merged.path.relative_to(merged.path.parents[2]) == whole.path.relative_to(whole.path.parents[2])
    assert timeless(merged.path / ROWS_FILE) == timeless(whole.path / ROWS_FILE)
    assert (merged.path / SIGNATURE_FILE).read_bytes() == (whole.path / SIGNATURE_FILE).read_bytes()
    assert without_speed(merged.stored_summary()) == without_speed(whole.summary)
    assert sorted(one.name for one in merged.path.iterdir()) == sorted(one.name for one in whole.path.iterdir())


def test_merged_shards_are_the_whole_run(shards: Path, whole: CorpusResult) -> None:
    before = everything(shards)
    [merged] = merge([shards], output=shards)
    check_whole(merged, whole)
    parts = [(folder(shards, index) / ROWS_FILE).read_bytes() for index in range(1, COUNT + 1)]
    assert (merged.path / ROWS_FILE).read_bytes() == b"".join(parts), "timings included"
    assert merged.stored_summary()["pooled"]["metrics"]["rtfx"]["value"] > 0
    peaks = [json.loads((folder(shards, index) / DONE_FILE).read_text())["peak_memory_bytes"] for index in range(1, COUNT + 1)]
    assert merged.stored_summary()["peak_memory_bytes"] == max(peaks) > 0
    assert all(path.read_bytes() == content for path, content in before.items() if content is not None), "shards stay as they were"


def test_shards_that_come_in_folders_of_their_own_are_merged_as_well(shards: Path, whole: CorpusResult, tmp_path: Path) -> None:
    apart = []
    for index in range(1, COUNT + 1):
        apart.append(tmp_path / f"artifact-{index}")
        folder(shards, index).rename(apart[-1])
    rows = apart[1] / ROWS_FILE
    (apart[1] / f"{ROWS_FILE}.gz").write_bytes(gzip.compress(rows.read_bytes()))
    rows.unlink()
    [merged] = merge([*reversed(apart), apart[0]], output=tmp_path / "merged")
    check_whole(merged, whole)


def test_several_models_and_corpora_are_merged_at_once(small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    options = {"corpus": [str(small_corpus), "books"], "conditions": ["clean"], "workers": 0, "batch_size": BATCH, "limit": 6}
    wholes = run("noisy", ["one", "two"], output=tmp_path / "whole", **options)
    for index in (2, 1):
        run("noisy", ["one", "two"], output=tmp_path / "cut", shard=f"{index}/2", **options)
    merged = merge([tmp_path / "cut"], output=tmp_path / "merged")
    assert len(merged) == 4
    for one in merged:
        [same] = [w for w in wholes if w.path.relative_to(tmp_path / "whole") == one.path.relative_to(tmp_path / "merged")]
        check_whole(one, same)


def test_a_shard_has_no_figures(finished: Path, small_corpus: Path, whole: CorpusResult, loaded_stub: None) -> None:
    again = run_stub(small_corpus, finished, shard=f"2/{COUNT}")
    assert again.path == folder(finished, 2)
    assert again.summary == {}
    assert not (again.path / SUMMARY_FILE).exists()
    with pytest.raises(UserError, match=r"is shard 2/3 of a run \(allowed: what `askd-bench merge` makes of all shards\)"):
        Result.open(again.path)
    assert set(again.signature.as_dict()) == {*whole.signature.as_dict(), "shard"}


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_an_interrupted_shard_goes_on(kept: float, shards: Path, small_corpus: Path, whole: CorpusResult, loaded_stub: None) -> None:
    rows = folder(shards, 2) / ROWS_FILE
    (folder(shards, 2) / DONE_FILE).unlink()
    rows.write_bytes(rows.read_bytes()[: int(kept * rows.stat().st_size)])
    with pytest.raises(UserError, match=r"unfinished: 2/3 \(allowed: all 3, each run to its end\)"):
        merge([shards], output=shards)
    run_stub(small_corpus, shards, shard=f"2/{COUNT}")
    [merged] = merge([shards], output=shards)
    check_whole(merged, whole)
    assert (merged.stored_summary()["pooled"]["metrics"]["rtfx"]["value"] is None) == (kept > 0)


def spoil(what: str, shards: Path, small_corpus: Path) -> str:
    """Do a harm and return what is to be said of it."""
    first, second, third = (folder(shards, index) for index in range(1, COUNT + 1))
    if what == "missing":
        shutil.rmtree(first)
        shutil.rmtree(third)
        return r"of stub/noisy-v1/small, not there: 1/3, 3/3 \(allowed: all 3"
    if what == "missing and unfinished":
        shutil.rmtree(first)
        (third / DONE_FILE).unlink()
        return r"not there: 1/3; unfinished: 3/3"
    if what == "twice":
        shutil.copytree(second, shards / "copy")
        return r"shard 2/3 in .*copy' is there again in "
    if what == "of another number":
        run_stub(small_corpus, shards, shard="1/2")
        return r"shard 1/2 in .* and shard 1/3 in .* do not belong together"
    if what == "of another run":
        shutil.rmtree(second)
        run_stub(small_corpus, shards, shard="2/3", batch_size=BATCH - 1)
        return r"are of different runs \(batch_size: 4 -> 3; shard\.batches"
    if what == "of other conditions":
        shutil.rmtree(third)
        run_stub(small_corpus, shards, shard="3/3", conditions=[*CONDITIONS[:2], "hum-0dB"])
        return r"are of different runs \(conditions\.hum-0dB"
    if what == "cut":
        rows = second / ROWS_FILE
        rows.write_bytes(b"".join(rows.read_bytes().splitlines(keepends=True)[:-1]))
    elif what.startswith("cut where compressed"):
        rows = second / ROWS_FILE
        compressed = second / f"{ROWS_FILE}{what.removeprefix('cut where compressed')}"
        compressed.write_bytes(packed(rows.read_bytes(), compressed)[:-200])
        rows.unlink()
    elif what == "without rows":
        (second / ROWS_FILE).unlink()
    return r"shard 2/3 in .* is damaged: its rows are not those it ended with"


HARMS = ["missing", "missing and unfinished", "twice", "of another number", "of another run", "of other conditions"]


@pytest.mark.parametrize("what", [*HARMS, "cut", *(f"cut where compressed{suffix}" for suffix in SUFFIXES), "without rows"])
def test_what_is_not_all_shards_of_one_run_is_refused(what: str, shards: Path, small_corpus: Path, loaded_stub: None) -> None:
    said = spoil(what, shards, small_corpus)
    before = everything(shards)
    with pytest.raises(UserError, match=f"^shards: .*{said}") as caught:
        merge([shards], output=shards)
    assert "\n" not in str(caught.value)
    assert everything(shards) == before


def test_results_in_the_way_are_kept_unless_told(shards: Path, whole: CorpusResult) -> None:
    [merged] = merge([shards], output=shards)
    (merged.path / "of-mine").write_text("a note")
    before = everything(shards)
    with pytest.raises(UserError, match=r"output: .* holds results already \(allowed: --overwrite, or another --output\)"):
        merge([shards], output=shards)
    assert everything(shards) == before
    [again] = merge([shards], output=shards, overwrite=True)
    check_whole(again, whole)


def test_a_folder_without_shards_is_told(whole: CorpusResult, finished: Path, tmp_path: Path) -> None:
    for path in (whole.path.parents[2], tmp_path / "absent"):
        with pytest.raises(UserError, match=r"shards: none is in .* \(allowed: folders with directories that `run --shard` left\)"):
            merge([finished, path], output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_more_shards_than_batches_are_refused(small_corpus: Path, loaded_stub: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"shard: 1/14 would leave shards without work: corpus 'small' comes to 13 batches"):
        run_stub(small_corpus, tmp_path, shard="1/14")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_no_damage(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is not blamed on the shard that was being read."""
    monkeypatch.setattr("askd_bench.evaluation.merge.ROWS_FILE", "/dev/full")
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        merge([shards], output=tmp_path / "merged", overwrite=True)
