"""The rows of a run under way: a cut is mended at any byte, and nothing else is lost or written over."""

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_rows import BATCHES, KEYS, SIGNATURE, WHOLE_TIMELESS, store_all

from askd_bench.errors import UserError
from askd_bench.results import Result
from askd_bench.row_store import RowStore, discard
from askd_bench.rows import ROWS_FILE, row_to_json
from askd_bench.signature import SIGNATURE_FILE
from askd_bench.types import Row, Word


def test_half_a_surrogate_pair_is_stored_and_read_back(tmp_path: Path) -> None:
    """Of a server's error or a file name that is not UTF-8; the rows around it must not be lost to it."""
    signature = SIGNATURE.model_copy(update={"model": SIGNATURE.model.model_copy(update={"source": "transcripts:\udcff.jsonl"})})
    odd = Row(
        condition="clean",
        utterance="u\ud800",
        reference="a \udfff",
        hypothesis="\ud800 b",
        duration_s=1.0,
        words=(Word("\ud800", None), Word("b", None)),
        realised={"noise_file": "\udcff.wav"},
        error="\ud800",
    )
    store = RowStore(tmp_path / "r", signature)
    store.prepare()
    with store:
        store.append([odd, *BATCHES[0]])
    result = Result.open(tmp_path / "r")
    assert list(result.rows()) == [odd, *BATCHES[0]]
    assert result.signature() == signature
    assert [(row_to_json(row) + "\n").encode() for row in result.rows()] == list(result.lines())
    result.write_summary()


@settings(max_examples=200)
@given(position=st.integers(0, 2_500), tail=st.sampled_from([b"", b"\0", b"\xff", b"\n", b"{}\n"]))
def test_rows_cut_at_any_byte_are_completed(position: int, tail: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "cut"
    discard(path)
    whole = store_all(path)
    kept = whole[: min(position, len(whole) - 1)]
    (path / ROWS_FILE).write_bytes(kept + tail)
    mended = store_all(path)
    whole_rows = kept + tail if whole.startswith(kept + tail) else kept  # a line's end is what was cut off
    if whole_rows.count(b"\n") < len(BATCHES[0]):
        assert mended == whole, "nothing was kept, so this is one run, with its timings"
    else:
        assert mended == WHOLE_TIMELESS


def test_a_complete_file_is_left_alone(tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    store = RowStore(tmp_path / "r", SIGNATURE)
    assert store.keep_whole_batches(KEYS) == len(BATCHES)
    assert store_all(tmp_path / "r") == whole


def test_rows_beyond_the_plan_are_dropped(tmp_path: Path) -> None:
    store_all(tmp_path / "r")
    store = RowStore(tmp_path / "r", SIGNATURE)
    assert store.keep_whole_batches(KEYS[:2]) == 2
    assert [row.utterance for row in Result.open(tmp_path / "r").rows()] == [key[1] for batch in KEYS[:2] for key in batch]


def test_another_signature_is_refused_naming_what_differs(tmp_path: Path) -> None:
    store_all(tmp_path / "r")
    suite, model = SIGNATURE.suite.model_copy(update={"version": 2}), SIGNATURE.model.model_copy(update={"id": "other"})
    other = SIGNATURE.model_copy(update={"suite": suite, "model": model})
    with pytest.raises(
        UserError,
        match=r'another run\'s results \(model\.id: "whisper-tiny\.en" -> "other"; suite\.version: 1 -> 2\); allowed: --overwrite',
    ):
        RowStore(tmp_path / "r", other)
    RowStore(tmp_path / "r", other, overwrite=True).prepare()
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [SIGNATURE_FILE]


def test_looking_writes_nothing(tmp_path: Path) -> None:
    RowStore(tmp_path / "new" / "folder", SIGNATURE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["file", "nested file", "long name", "folder for a file"])
def test_an_output_that_cannot_be_is_one_line(way: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    if way == "long name":
        path = tmp_path / ("x" * 300)
    elif way == "folder for a file":
        (path / SIGNATURE_FILE).mkdir(parents=True)
    else:
        (tmp_path / "out").write_text("in the way")
        path = path / "nested" if way == "nested file" else path
    with pytest.raises(UserError, match=r"cannot be (written|read)") as caught:
        RowStore(path, SIGNATURE).prepare()
    assert "\n" not in str(caught.value)


def test_discard_removes_results_only(tmp_path: Path) -> None:
    store_all(tmp_path / "r")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    discard(tmp_path / "r")
    discard(tmp_path / "mine")
    discard(tmp_path / "absent")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_directory_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    with RowStore(tmp_path / "r", SIGNATURE) as first:
        first.prepare()
        with pytest.raises(UserError, match=r"output: another run is writing .*r' \(allowed: wait for it, or another --output\)"):
            RowStore(tmp_path / "r", SIGNATURE).prepare()
    second = RowStore(tmp_path / "r", SIGNATURE)
    second.prepare()


def test_a_broken_line_that_rows_follow_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    rows = tmp_path / "r" / ROWS_FILE
    for number, line in ((1, b"garbage\n"), (3, whole.splitlines(keepends=True)[0]), (5, b"\0\n")):
        lines = whole.splitlines(keepends=True)
        lines[number - 1] = line
        rows.write_bytes(b"".join(lines))
        with pytest.raises(UserError, match=rf"utterances\.jsonl' is damaged: line {number} is not the row of .*, and others follow it"):
            RowStore(tmp_path / "r", SIGNATURE).keep_whole_batches(KEYS)
        assert rows.read_bytes() == b"".join(lines)


def test_a_summary_is_not_made_to_agree_with_changed_rows(tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    Result.open(tmp_path / "r").write_summary()
    rows = tmp_path / "r" / ROWS_FILE
    rows.write_bytes(whole.replace(b'"hypothesis":"', b'"hypothesis":"x '))
    with pytest.raises(UserError, match=r"is not what its run ended with \(summary: .* -> "):
        RowStore(tmp_path / "r", SIGNATURE).keep_whole_batches(KEYS)
    rows.write_bytes(whole)
    assert RowStore(tmp_path / "r", SIGNATURE).keep_whole_batches(KEYS) == len(BATCHES)


def test_rows_do_not_follow_a_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("years of work\n")
    store = RowStore(tmp_path / "r", SIGNATURE)
    store.prepare()
    (tmp_path / "r" / ROWS_FILE).symlink_to(mine)
    with store, pytest.raises(UserError, match=r"utterances\.jsonl' cannot be written"):
        store.append(BATCHES[0])
    assert mine.read_text() == "years of work\n"


def test_a_full_disk_is_one_line_and_rows_of_earlier_batches_stay(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "r", SIGNATURE)
    store.prepare()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with store:
        store.append(BATCHES[0])
        size = (tmp_path / "r" / ROWS_FILE).stat().st_size
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
            with pytest.raises(UserError, match=r"utterances\.jsonl' cannot be written: File too large"):
                store.append(BATCHES[1])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store_all(tmp_path / "r") == WHOLE_TIMELESS
