"""The leaderboard's figures are those of summaries and comparisons, wherever these have them too."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import jiwer
import pandas as pd
import pytest
from leaderboard_results import ANCHOR, Line, few, in_suite, misheard, timed, untimed, write_result, write_silence

from askd_bench.errors import UserError
from askd_bench.metrics.comparison import compare
from askd_bench.report.leaderboard.frame import ALL_CONDITIONS, ALL_CORPORA, OVERALL, Leaderboard, leaderboard_of
from askd_bench.report.leaderboard.layout import sections
from askd_bench.results import Result
from askd_bench.text import normaliser

MODELS = """
["whisper-tiny.en"]
description = "the teacher"
licence = "MIT"
[kd]
description = "a student"
licence = "MIT"
teacher = "whisper-tiny.en"
control = "ce"
[ce]
description = "a control"
licence = "MIT"
[partial]
description = "another student"
licence = "MIT"
teacher = "whisper-tiny.en"
"""


def timed_on_clean(row: Line) -> Line:
    return row | {"decode_s": 2.0 if row["condition"] == "clean" else None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for corpus, speed in (("dialogue", untimed), ("prompts", timed)):
        for suite in ("noisy-v1", "telephony-v1"):
            write_result(folder, ANCHOR, few(50), in_suite(suite), suite=suite, corpus=corpus)
            write_result(folder, "kd", few(50), in_suite(suite), misheard("kd", 0.15), speed, suite=suite, corpus=corpus, parameters=None)
            write_result(folder, "ce", few(50), in_suite(suite), misheard("ce", 0.3), suite=suite, corpus=corpus)
        write_result(folder, "partial", few(50), in_suite("noisy-v1"), misheard("kd", 0.1), timed_on_clean, corpus=corpus)
    write_silence(folder, ANCHOR, ["you", "", "Thank you.", ""])
    write_silence(folder, "kd", ["", "", "", "Bye."], parameters=None)
    (folder / "models.toml").write_text(MODELS)
    return folder


@pytest.fixture(scope="module")
def board(root: Path) -> Leaderboard:
    return leaderboard_of(root)


def record(board: Leaderboard, suite: str, corpus: str, model: str, condition: str = ALL_CONDITIONS) -> dict[str, Any]:
    frame = board.frame
    chosen = (frame["suite"] == suite) & (frame["corpus"] == corpus) & (frame["model"] == model) & (frame["condition"] == condition)
    [found] = frame[chosen].to_dict("records")
    return {str(key): value for key, value in found.items()}


def same(record: dict[str, Any], name: str, estimate: Any) -> None:
    """A figure of the frame is that of a summary, with its interval."""
    for end, part in (("", "value"), ("_low", "low"), ("_high", "high")):
        mine, theirs = record[f"{name}{end}"], estimate[part]
        assert (math.isnan(mine) and theirs is None) or mine == theirs, (name, part)


@pytest.mark.parametrize("model", [ANCHOR, "kd", "ce"])
def test_figures_of_a_board_are_those_of_the_summary(model: str, root: Path, board: Leaderboard) -> None:
    summary = Result.open(root / model / "noisy-v1" / "dialogue").summarise()
    mine = record(board, "noisy-v1", "dialogue", model)
    pooled, clean = summary["pooled"]["metrics"], summary["conditions"]["clean"]["metrics"]
    for name in ("wer", "confident_errors_0.7", "insertion_rate", "hallucination_rate", "invented_words_per_minute", "rtfx"):
        same(mine, name, pooled[name])
    same(mine, "wer_clean", clean["wer"])
    same(mine, "ece_clean", clean["ece"])
    for condition, table in summary["conditions"].items():
        here = record(board, "noisy-v1", "dialogue", model, condition)
        assert here["wer"] == table["metrics"]["wer"]["value"]
        assert here["hallucination_rate"] == table["metrics"]["hallucination_rate"]["value"]
        assert here["utterances"] == table["n_utterances"]


def test_a_suite_pools_its_corpora_and_overall_pools_suites_with_shared_clips_once(root: Path, board: Leaderboard) -> None:
    normalise = normaliser("whisper-english")

    def counts(suite: str, corpus: str, conditions: set[str]) -> tuple[int, int]:
        rows = [row for row in Result.open(root / "kd" / suite / corpus).rows() if row.condition in conditions]
        out = jiwer.process_words([normalise(row.reference) for row in rows], [normalise(row.hypothesis or "") for row in rows])
        return out.substitutions + out.deletions + out.insertions, out.hits + out.substitutions + out.deletions

    def rate(parts: list[tuple[int, int]]) -> float:
        return sum(errors for errors, _ in parts) / sum(words for _, words in parts)

    clean, shifted = {"clean"}, {"white-0dB", "speech-shaped-0dB"}
    corpora = ("dialogue", "prompts")
    suite = record(board, "noisy-v1", ALL_CORPORA, "kd")
    assert suite["wer"] == pytest.approx(rate([counts("noisy-v1", corpus, clean | shifted) for corpus in corpora]), abs=1e-6)
    assert suite["wer_shifted"] == pytest.approx(rate([counts("noisy-v1", corpus, shifted) for corpus in corpora]), abs=1e-6)
    overall = record(board, OVERALL, ALL_CORPORA, "kd")
    parts = [counts(suite, corpus, shifted) for suite in ("noisy-v1", "telephony-v1") for corpus in corpora]
    assert overall["wer"] == pytest.approx(rate(parts + [counts("noisy-v1", corpus, clean) for corpus in corpora]), abs=1e-6)
    assert overall["wer_clean"] == pytest.approx(rate([counts("noisy-v1", corpus, clean) for corpus in corpora]), abs=1e-6)
    # the same clips under every condition, and none failed: the paired difference is the difference of rates
    assert overall["degradation"] == pytest.approx(overall["wer_shifted"] - overall["wer_clean"], abs=2e-6)


def test_no_utterance_counts_as_more_than_all_wrong_where_errors_are_capped(root: Path, board: Leaderboard) -> None:
    normalise = normaliser("whisper-english")
    errors = words = 0
    for row in Result.open(root / ANCHOR / "noisy-v1" / "dialogue").rows():
        out = jiwer.process_words(normalise(row.reference), normalise(row.hypothesis or ""))
        length = out.hits + out.substitutions + out.deletions
        errors, words = errors + min(out.substitutions + out.deletions + out.insertions, length), words + length
    mine = record(board, "noisy-v1", "dialogue", ANCHOR)
    assert mine["wer_capped"] == pytest.approx(errors / words, abs=1e-6)
    assert mine["wer_capped_low"] < mine["wer_capped"] < mine["wer"], "one of these lines is a loop"


def test_teaching_is_what_compare_says(root: Path, board: Leaderboard) -> None:
    paths = [root / model / "noisy-v1" / "prompts" for model in ("kd", ANCHOR, "ce")]
    compared = compare(*(Result.open(path).rows() for path in paths)).pooled
    mine = record(board, "noisy-v1", "prompts", "kd")
    for name in ("inherited", "inherited_expected", "inheritance_excess", "confident_inheritance_excess", "inherited_vs_control"):
        same(mine, name, compared.inheritance[name].as_dict())
    same(mine, "wer_minus_teacher", compared.versus_teacher.difference.difference.as_dict())
    assert mine["inherited_vs_control"] > 0
    assert pd.isna(record(board, "noisy-v1", "prompts", "ce")["inherited"]), "a control has no teacher"


def test_the_floor_of_inheritance_is_what_the_heads_of_other_families_have(root: Path, board: Leaderboard) -> None:
    """Here `ce` alone says of no teacher that it taught it; students of one teacher are no further witnesses."""
    unrelated = compare(*(Result.open(root / model / "noisy-v1" / "prompts").rows() for model in ("ce", ANCHOR))).pooled.inheritance
    mine = record(board, "noisy-v1", "prompts", "kd")
    same(mine, "inheritance_floor", unrelated["inheritance_excess"].as_dict())
    floor = unrelated["inheritance_excess"].value
    assert floor is not None
    assert mine["inheritance_beyond"] == pytest.approx((mine["inheritance_excess"] - floor) / (1 - floor), abs=3e-6)


def test_ranks_are_of_those_who_heard_everything(board: Leaderboard) -> None:
    overall = board.frame[(board.frame["suite"] == OVERALL)]
    assert list(overall["model"]) == [ANCHOR, "kd", "ce"], "best first"
    assert list(zip(overall["rank_best"], overall["rank_worst"], strict=True)) == [(1, 1), (2, 2), (3, 3)]
    assert record(board, "noisy-v1", "prompts", "partial")["rank_best"] >= 1
    assert record(board, "noisy-v1", ALL_CORPORA, "partial")["wer"] > 0


def test_models_that_cannot_be_told_apart_share_a_rank(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(20))
    write_result(tmp_path, "copy", few(20))
    write_result(tmp_path, "bad", few(20), misheard("bad", 0.5))
    frame = leaderboard_of(tmp_path).frame
    overall = frame[frame["suite"] == OVERALL].set_index("model")
    assert [(overall["rank_best"][name], overall["rank_worst"][name]) for name in (ANCHOR, "copy", "bad")] == [(1, 2), (1, 2), (3, 3)]


def test_silence_is_the_share_of_clips_with_a_word(board: Leaderboard) -> None:
    assert record(board, "silence-v1", "silence", ANCHOR)["hallucination_rate"] == 0.5
    assert record(board, "silence-v1", ALL_CORPORA, "kd")["hallucination_rate"] == 0.25
    assert record(board, "silence-v1", "silence", ANCHOR)["invented_words_per_minute"] == pytest.approx(6 * 60 / (8 * 6))
    assert pd.isna(record(board, "silence-v1", "silence", ANCHOR)["rank_best"])


def test_speed_needs_every_timing(board: Leaderboard) -> None:
    assert pd.isna(record(board, "noisy-v1", "prompts", "partial")["rtfx"])
    assert record(board, "noisy-v1", "prompts", "kd")["rtfx"] == pytest.approx(20, rel=1e-4)
    # dialogue was resumed: no fair speed over both
    assert pd.isna(record(board, "noisy-v1", ALL_CORPORA, "kd")["rtfx"])


def test_what_failed_is_counted_and_left_out_of_ranks_for_all(tmp_path: Path) -> None:
    """A model that skips what it finds hard gains nothing: ranks rest on the clips that every model transcribed."""
    hard = {"hypothesis": None, "error": "lost", "words": [], "word_tokens": [], "token_logprobs": [], "token_entropies": []}

    def skip(row: Line) -> Line:
        return row | hard | {"tempered_logprobs": {}} if row["condition"] != "clean" else row

    write_result(tmp_path, ANCHOR, few(25))
    write_result(tmp_path, "skips", few(25), skip)
    found = leaderboard_of(tmp_path)
    mine = record(found, "noisy-v1", "prompts", "skips")
    assert mine["failed"] == 2 * record(found, "noisy-v1", "prompts", "skips", "clean")["utterances"]
    assert mine["wer"] < record(found, "noisy-v1", "prompts", ANCHOR)["wer"]
    assert (mine["rank_best"], mine["rank_worst"]) == (1, 2), "on clean speech, which both transcribed, they are the same"


def test_what_cannot_be_counted_is_missing(board: Leaderboard) -> None:
    assert pd.isna(record(board, OVERALL, ALL_CORPORA, "kd")["parameters"])
    assert record(board, OVERALL, ALL_CORPORA, ANCHOR)["parameters"] == 37_760_256


def test_two_models_under_one_name_are_refused(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(12))
    write_result(tmp_path, ANCHOR, few(12), corpus="dialogue", weights_sha256="f" * 64)
    with pytest.raises(UserError, match=r"'whisper-tiny.en' has weights_sha256 f+ on noisy-v1/dialogue and \w+ on noisy-v1/prompts"):
        leaderboard_of(tmp_path)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no results of test speech"):
        leaderboard_of(tmp_path)


def test_the_overall_rank_rests_on_core_suites_or_where_there_are_none_on_all(tmp_path: Path) -> None:
    for suite in ("noisy-v1", "srb-v1"):
        write_result(tmp_path / "both", ANCHOR, few(12), in_suite(suite), suite=suite)
        write_result(tmp_path / "own", ANCHOR, few(12), in_suite(suite), suite=suite.replace("noisy", "mine"))
    write_result(tmp_path / "both", "student", few(12), in_suite("noisy-v1"), misheard("student", 0.2))
    board = leaderboard_of(tmp_path / "both")
    assert board.overall is not None
    assert [one.suite for one in board.overall.boards] == ["noisy-v1"]
    assert set(board.overall.models) == {ANCHOR, "student"}
    own = leaderboard_of(tmp_path / "own").overall
    assert own is not None
    assert [one.suite for one in own.boards] == ["srb-v1", "mine-v1"]


def bench_of(root: Path, model: str, *rtfx: float, **changes: Any) -> None:
    """Write what `bench --json` prints, at batch 1, 2, ..., of the weights that the model's rows come from."""
    weights = Result.open(root / model / "noisy-v1" / "dialogue").signature().model.weights_sha256
    card = {"weights_sha256": weights, "dtype": "float32", "device": "cpu", "threads": 2} | changes
    speeds = [{"batch_size": size, "p50_s": 0.2, "p95_s": 0.3, "rtfx": value} for size, value in enumerate(rtfx, 1)]
    (root / "speed").mkdir(exist_ok=True)
    (root / "speed" / f"{model}.json").write_text(json.dumps({"card": card, "clips": 24, "audio_s": 88.5, "speeds": speeds}))


def test_speed_is_shown_as_it_was_measured_and_beside_the_teachers(root: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(root, tmp_path / "results")
    bench_of(folder, ANCHOR, 8.0, 12.0)
    bench_of(folder, "kd", 20.0, 24.0, dtype="int8_float32")
    bench_of(folder, "partial", 20.0, 24.0, threads=1)
    shown = {section.title: section for section in sections(leaderboard_of(folder))}
    overall, speed = shown["Overall"].table, shown["Speed"].table
    assert overall is not None
    assert speed is not None
    alone = [column.label for column in overall.columns].index("RTFx at 1")
    assert {row[0].text: row[alone].text for row in overall.rows} == {ANCHOR: "8.0", "kd": "20.0", "ce": "–", "partial": "20.0"}
    assert [[cell.text for cell in row][-2:] for row in speed.rows] == [
        ["20.0", "2.50"], ["24.0", "2.00"], ["20.0", "–"], ["24.0", "–"], ["8.0", "–"], ["12.0", "–"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "content", "message"),
    [
        ("kd", "{}", "kd.json: card: is missing"),
        ("nobody", None, "there are no rows of a model 'nobody'"),
        ("ce", None, "measured on other weights than the rows of 'ce'"),
    ],
)
def test_speed_that_is_not_of_the_model_is_refused(root: Path, tmp_path: Path, model: str, content: str | None, message: str) -> None:
    folder = shutil.copytree(root, tmp_path / "results")
    bench_of(folder, ANCHOR, 8.0, weights_sha256="0")
    (folder / "speed" / f"{ANCHOR}.json").replace(folder / "speed" / f"{model}.json")
    if content is not None:
        (folder / "speed" / f"{model}.json").write_text(content)
    with pytest.raises(UserError, match=message):
        leaderboard_of(folder)
