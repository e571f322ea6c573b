"""Rows, signatures and result directories: what is written is read back, and a cut is mended at any byte."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd_bench.compression import SUFFIXES, packed, stored_bytes
from askd_bench.errors import UserError
from askd_bench.files import write_json
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import (
    ROWS_FILE,
    SUMMARY_FILE,
    Result,
    RowStore,
    discard,
    row_from_json,
    row_to_json,
)
from askd_bench.signature import SIGNATURE_FILE, ConditionAxis, Signature
from askd_bench.types import Row, Word

SIGNATURE = Signature.read(REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "noisy-v1" / "prompts").model_copy(
    update={"planned_rows": None, "conditions": {"clean": ConditionAxis(family=None, severity=None)}}
)
texts = st.text(max_size=20)
finite = st.floats(-1e6, 1e6)
shares = st.floats(0, 1)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    words = tuple(Word(draw(texts), draw(st.none() | shares)) for _ in range(draw(st.integers(0, 3))))
    logprobs = tuple(draw(st.lists(finite, max_size=4)))
    return Row(
        condition=draw(texts),
        utterance=draw(texts),
        reference=draw(texts),
        hypothesis=draw(st.none() | texts),
        duration_s=draw(st.floats(0, 2000)),
        speaker=draw(st.none() | texts),
        words=words,
        word_tokens=tuple(draw(st.lists(st.integers(0, 9), max_size=3))),
        token_logprobs=logprobs,
        tempered_logprobs=dict.fromkeys(draw(st.sets(st.sampled_from([4.0, 1.3333, 0.8]))), logprobs),
        realised=draw(st.dictionaries(texts, st.none() | finite | st.integers(-9, 9) | texts, max_size=3)),
        decode_s=draw(st.none() | shares),
        error=draw(st.none() | texts),
    )


@given(rows())
def test_a_row_is_one_line_that_reads_back_and_writes_the_same(row: Row) -> None:
    line = row_to_json(row)
    assert len(line.splitlines()) == 1 or not any(separator in line for separator in "\r\n")
    back = row_from_json(line)
    assert row_to_json(back) == line
    assert (back.condition, back.utterance, back.reference, back.hypothesis, back.error) == (
        row.condition,
        row.utterance,
        row.reference,
        row.hypothesis,
        row.error,
    )
    assert back.token_logprobs == pytest.approx(row.token_logprobs, abs=5.1e-6)
    assert set(back.tempered_logprobs) == set(row.tempered_logprobs)
    assert [word.text for word in back.words] == [word.text for word in row.words]


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


def test_what_is_no_number_is_never_written() -> None:
    row = Row(condition="c", utterance="u", reference="r", hypothesis="h", duration_s=1.0, token_logprobs=(float("nan"),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        row_to_json(row)


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "null", '{"condition":"c"}', '{"words":[["a"]]}', '{"unknown":1}', "\0\0"])
def test_what_is_no_row_is_told_in_one_line(line: str) -> None:
    with pytest.raises(UserError, match="not a row of schema 1") as caught:
        row_from_json(line)
    assert "\n" not in str(caught.value)


def numbered(condition: str, count: int) -> list[Row]:
    return [
        Row(condition=condition, utterance=f"é{i}", reference="東京 café", hypothesis="“naïve” 😀" * i, duration_s=1.0 + i, decode_s=0.5)
        for i in range(count)
    ]


BATCHES = [numbered("clean", 4)[:3], numbered("clean", 4)[3:], numbered("noise", 5)[:3], numbered("noise", 5)[3:]]
KEYS = [[(row.condition, row.utterance) for row in batch] for batch in BATCHES]


def store_all(path: Path) -> bytes:
    store = RowStore(path, SIGNATURE)
    store.prepare()
    with store:
        for batch in BATCHES[store.keep_whole_batches(KEYS) :]:
            store.append(batch)
    return (path / ROWS_FILE).read_bytes()


WHOLE_TIMELESS = "".join(row_to_json(replace(row, decode_s=None)) + "\n" for batch in BATCHES for row in batch).encode()


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
