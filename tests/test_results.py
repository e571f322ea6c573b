"""Result directories: what is written is read back, and what is damaged is told."""

import json
from pathlib import Path

import pytest
from stored_rows import SIGNATURE, store_all

from askd_bench.compression import SUFFIXES, packed, stored_bytes
from askd_bench.errors import UserError
from askd_bench.files import write_json
from askd_bench.results import SUMMARY_FILE, Result
from askd_bench.row_store import RowStore
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE


def test_rows_left_are_told_where_the_plan_was_written_down(tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    result = Result.open(tmp_path / "r")
    assert result.rows_left() is None, "a run that did not write down how many rows it planned"
    newer = SIGNATURE.model_copy(update={"planned_rows": 9, "limit": 24})  # the same run, continued by a version that does
    with RowStore(tmp_path / "r", newer) as store:
        store.prepare()
    assert result.rows_left() is None
    (tmp_path / "r" / ROWS_FILE).write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    assert result.rows_left() == (3, 9)
    RowStore(tmp_path / "r", SIGNATURE)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_compressed_rows_are_read_as_well(suffix: str, tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    plain = list(Result.open(tmp_path / "r").rows())
    (tmp_path / "r" / ROWS_FILE).unlink()
    compressed = tmp_path / "r" / f"{ROWS_FILE}{suffix}"
    compressed.write_bytes(packed(whole, compressed))
    assert list(Result.open(tmp_path / "r").rows()) == plain


def test_the_summary_is_a_function_of_the_rows(tmp_path: Path) -> None:
    store_all(tmp_path / "r")
    result = Result.open(tmp_path / "r")
    assert result.summary() is None
    first = result.write_summary()
    stored = (tmp_path / "r" / SUMMARY_FILE).read_bytes()
    result.write_summary()
    assert (tmp_path / "r" / SUMMARY_FILE).read_bytes() == stored
    assert json.loads(stored) == json.loads(json.dumps(first)) == result.summary()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_compressed_summary_is_read_and_stays_compressed_in_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    (tmp_path / "r" / ROWS_FILE).unlink()
    rows = tmp_path / "r" / f"{ROWS_FILE}{suffix}"
    rows.write_bytes(packed(whole, rows))
    result = Result.open(tmp_path / "r")
    summary = result.write_summary(peak_memory_bytes=5)
    plain, compressed = tmp_path / "r" / SUMMARY_FILE, tmp_path / "r" / f"{SUMMARY_FILE}{suffix}"
    write_json(compressed, json.loads(plain.read_bytes()))
    first = compressed.read_bytes()
    assert stored_bytes(compressed, len(plain.read_bytes())) == plain.read_bytes()
    plain.unlink()
    assert result.stored_summary() == json.loads(json.dumps(summary))
    result.write_summary()
    assert compressed.read_bytes() == first
    assert not plain.exists()
    compressed.write_bytes(first[:-20])
    with pytest.raises(UserError, match=rf"summary\.json\{suffix}' is damaged: "):
        result.summary()
    (tmp_path / "r" / ROWS_FILE).write_bytes(whole[: len(whole) // 2])
    assert result.summary() is None, "the rows of a run under way have no summary yet, whatever an earlier run left"


def test_what_is_no_result_directory_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        Result.open(tmp_path / "absent")
    store_all(tmp_path / "model" / "noisy-v1" / "books")
    with pytest.raises(UserError, match=r"has no signature\.json .* inside it are model/noisy-v1/books"):
        Result.open(tmp_path)
    (tmp_path / "model" / "noisy-v1" / "books" / ROWS_FILE).unlink()
    with pytest.raises(UserError, match=r"has no utterances\.jsonl"):
        Result.open(tmp_path / "model" / "noisy-v1" / "books")


def test_a_damaged_signature_is_one_line(tmp_path: Path) -> None:
    store_all(tmp_path / "r")
    for content, said in (("{", "not valid JSON"), ("[]", "Input should be an object")):
        (tmp_path / "r" / SIGNATURE_FILE).write_text(content)
        with pytest.raises(UserError, match=said):
            RowStore(tmp_path / "r", SIGNATURE)
        with pytest.raises(UserError, match=said):
            Result.open(tmp_path / "r").signature()


def test_doubled_rows_are_refused(tmp_path: Path) -> None:
    whole = store_all(tmp_path / "r")
    (tmp_path / "r" / ROWS_FILE).write_bytes(whole + whole.splitlines(keepends=True)[0])
    with pytest.raises(UserError, match=r"row 10 is a second one of clean, é0 \(allowed: one row each\)"):
        Result.open(tmp_path / "r").summarise()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_damaged_summary_is_made_anew_from_the_rows(damage: bytes, tmp_path: Path) -> None:
    store_all(tmp_path / "r")
    result = Result.open(tmp_path / "r")
    result.write_summary()
    whole = (tmp_path / "r" / SUMMARY_FILE).read_bytes()
    (tmp_path / "r" / SUMMARY_FILE).write_bytes(damage)
    result.write_summary()
    assert (tmp_path / "r" / SUMMARY_FILE).read_bytes() == whole
