"""Models share a board exactly where they heard the same audio, and pools of boards count each clip once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leaderboard_results import ANCHOR, CONDITIONS, Line, few, hashed, in_suite, misheard, write_result, write_silence

from askd_bench.metrics.ranking import rank_systems
from askd_bench.metrics.systems import align_systems
from askd_bench.report.leaderboard.boards import Board, anchor_of, read_boards
from askd_bench.report.leaderboard.figures import ranks
from askd_bench.report.leaderboard.pools import pool
from askd_bench.results import Result, find_results


def boards_of(root: Path) -> list[Board]:
    return list(read_boards(find_results(root)))


def test_equal_audio_is_one_board_and_dev_speech_is_not_on_it(tmp_path: Path) -> None:
    keep = few(20)
    write_result(tmp_path, ANCHOR, lambda row: row if row["split"] == "dev" else keep(row), corpus="dialogue")
    write_result(tmp_path, "student", keep, corpus="dialogue", compressed=True)
    [board] = boards_of(tmp_path)
    assert sorted(board.models) == ["student", ANCHOR]
    assert (board.suite, board.corpus, board.baseline, board.conditions) == ("noisy-v1", "dialogue", "clean", CONDITIONS)
    rows = list(Result.open(tmp_path / "student" / "noisy-v1" / "dialogue").rows())
    assert len(board.audio) == len(rows)
    assert set(board.audio) == {row.audio_sha256 for row in rows}
    assert all(split == "test" for split in {row.split for row in rows})


def other_audio(row: Line) -> Line:
    return row | {"audio_sha256": hashed(row["audio_sha256"])} if row["condition"] == "white-0dB" else row


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(other_audio, id="it sounds otherwise"),
        pytest.param(lambda row: row | {"reference": "mended"} if row["condition"] == "clean" else row, id="another transcript"),
        pytest.param(lambda row: None if row["condition"] == "white-0dB" else row, id="a condition is lacking"),
    ],
)
def test_other_audio_is_a_board_of_its_own(change: Any, tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(12))
    write_result(tmp_path, "other", few(12), change)
    write_result(tmp_path, "other-too", few(12), change, misheard("x", 0.1))
    assert [sorted(board.models) for board in boards_of(tmp_path)] == [[ANCHOR], ["other", "other-too"]]


def test_a_few_clips_of_other_bits_are_left_out_for_all(tmp_path: Path) -> None:
    """As of a result from a processor that renders one clip in hundreds otherwise."""
    write_result(tmp_path, ANCHOR)
    first = next(iter(Result.open(tmp_path / ANCHOR / "noisy-v1" / "prompts").rows()))

    def other_bits(row: Line) -> Line:
        clip = (row["condition"], row["utterance"]) == (first.condition, first.utterance)
        return row | {"audio_sha256": hashed(row["audio_sha256"])} if clip else row

    write_result(tmp_path, "elsewhere", other_bits)
    [board] = boards_of(tmp_path)
    assert sorted(board.models) == ["elsewhere", ANCHOR]
    assert board.left_out == 1
    assert (first.condition, first.utterance) not in set(zip(board.aligned.condition, board.aligned.utterance, strict=True))
    assert len(board.audio) == sum(1 for row in Result.open(tmp_path / ANCHOR / "noisy-v1" / "prompts").rows() if row.split == "test") - 1


def test_who_heard_more_is_cut_to_what_the_anchor_heard(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(10))
    write_result(tmp_path, "more", few(30))
    [board] = boards_of(tmp_path)
    assert sorted(board.models) == ["more", ANCHOR]
    assert len(board.audio) == len(list(Result.open(tmp_path / ANCHOR / "noisy-v1" / "prompts").rows()))


def test_without_the_default_model_the_one_with_most_results_decides(tmp_path: Path) -> None:
    write_result(tmp_path, "aa", few(5))
    for suite in ("noisy-v1", "far-field-v1"):
        write_result(tmp_path, "bb", few(5), suite=suite)
        write_result(tmp_path, "cc", few(5), suite=suite)
    assert anchor_of(find_results(tmp_path)) == "bb"
    assert anchor_of([]) is None


def test_suites_come_in_reading_order(tmp_path: Path) -> None:
    for suite in ("telephony-v1", "my-own-v1", "noisy-v1", "clean-v1"):
        write_result(tmp_path, ANCHOR, few(3), suite=suite)
    assert [board.suite for board in boards_of(tmp_path)] == ["clean-v1", "noisy-v1", "telephony-v1", "my-own-v1"]


def test_silence_has_no_words(tmp_path: Path) -> None:
    write_silence(tmp_path, ANCHOR, ["", "you", ""])
    [board] = boards_of(tmp_path)
    assert not board.has_words
    assert ranks(pool([board])) == []


@pytest.fixture(scope="module")
def two_by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two suites that share their clean speech, two corpora, three models."""
    root = tmp_path_factory.mktemp("two")
    for corpus in ("dialogue", "prompts"):
        for suite in ("noisy-v1", "far-field-v1"):
            for model, rate in ((ANCHOR, 0.0), ("near", 0.02), ("far", 0.4)):
                write_result(root, model, few(20), in_suite(suite), misheard(model, rate), suite=suite, corpus=corpus)
    return root


def test_a_pool_is_what_aligning_all_its_rows_gives(two_by_two: Path) -> None:
    """Rows of all boards, each clip once, under names of their own, aligned in one go by the function that aligns results."""
    boards = boards_of(two_by_two)
    pooled = pool(boards)
    systems = []
    for model in pooled.models:
        rows, seen = [], set()
        for board in boards:
            for row in board.results[model].rows():
                clip = (board.corpus, row.utterance, row.audio_sha256)
                if clip not in seen:
                    seen.add(clip)
                    names = {"condition": f"{board.suite}/{board.corpus}/{row.condition}", "utterance": f"{board.corpus}/{row.utterance}"}
                    rows.append(replace(row, **names))
        systems.append(rows)
    whole = align_systems(systems, names=list(pooled.models))
    order = np.lexsort((pooled.aligned.utterance, pooled.aligned.condition))
    assert list(pooled.aligned.condition[order]) == list(whole.condition)
    assert list(pooled.aligned.utterance[order]) == list(whole.utterance)
    assert list(pooled.aligned.speaker[order]) == list(whole.speaker)
    np.testing.assert_array_equal(pooled.aligned.reference_words[order], whole.reference_words)
    for k in range(len(pooled.models)):
        np.testing.assert_array_equal(pooled.aligned.errors(k)[order], whole.errors(k))
    spelled = sorted(pooled.aligned.words[i] for i in pooled.aligned.reference)
    assert spelled == sorted(whole.words[i] for i in whole.reference)
    assert {(r.name, r.best, r.worst) for r in ranks(pooled)} == {
        (r.name, r.best, r.worst) for r in rank_systems(whole, list(pooled.models))
    }
    assert pooled.clean.sum() == sum(name.endswith("/clean") for name in whole.condition)


def test_shared_clips_count_once_over_boards_and_always_within_one(two_by_two: Path) -> None:
    boards = boards_of(two_by_two)
    pooled = pool(boards)
    clean = sum(int((board.aligned.condition == "clean").sum()) for board in boards)
    assert len(pooled.clean) == sum(len(board.audio) for board in boards) - clean // 2
    assert all(pool([board]).kept[0].all() for board in boards)


def test_the_same_clip_under_two_conditions_of_a_board_counts_twice(tmp_path: Path) -> None:
    """As in its summary: a condition that did nothing to a recording is a condition nevertheless."""
    path = write_result(tmp_path, ANCHOR, few(5))
    lines = [json.loads(line) for line in (path / "utterances.jsonl").read_text().splitlines()]
    clean = {line["utterance"]: line["audio_sha256"] for line in lines if line["condition"] == "clean"}
    same = [line | {"audio_sha256": clean[line["utterance"]]} for line in lines]
    (path / "utterances.jsonl").write_text("".join(json.dumps(line) + "\n" for line in same))
    [board] = boards_of(tmp_path)
    assert len(pool([board]).clean) == len(lines)
