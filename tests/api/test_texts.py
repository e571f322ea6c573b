"""`evaluate` agrees with libraries that do parts of it, and with what a run makes of the same texts."""

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netcal.metrics import ECE

import askd_bench
from askd_bench.errors import UserError
from askd_bench.metrics.calibration import BINS
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result

WORDS = st.lists(st.sampled_from(["alpha", "bravo", "charlie", "delta", "echo"]), min_size=1, max_size=8).map(" ".join)


@given(pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12))
def test_error_rates_are_jiwers(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = map(list, zip(*pairs, strict=True))
    ours = askd_bench.evaluate(references, hypotheses, normalizer="none")
    theirs = jiwer.process_words(references, hypotheses)
    assert ours["wer"].value == pytest.approx(theirs.wer)
    assert ours["mer"].value == pytest.approx(theirs.mer)
    assert ours["wil"].value == pytest.approx(theirs.wil)
    assert ours["cer"].value == pytest.approx(jiwer.cer(references, hypotheses))
    assert ours["wer_capped"].value <= min(1.0, theirs.wer)


def test_figures_are_those_of_a_run() -> None:
    """The rows of a packaged result, given as texts: the same values and the same intervals."""
    result = Result.open(REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "clean-v1" / "prompts")
    summary = result.stored_summary()["pooled"]["metrics"]
    rows = [row for row in result.rows() if row.split == "test"]
    ours = askd_bench.evaluate(
        [row.reference for row in rows],
        [row.hypothesis for row in rows],
        [[word.confidence for word in row.words] for row in rows],
    )
    for name in ("wer", "cer", "insertion_rate", "sentence_error_rate", "brier", "confident_errors_0.7"):
        assert ours[name].value == pytest.approx(summary[name]["value"], abs=2e-5), name
    assert ours["wer"].low is not None
    assert ours["wer"].low < ours["wer"].value < ours["wer"].high


def test_calibration_of_utterances_is_netcals() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(400)
    right = rng.random(400) < sure
    ours = askd_bench.evaluate(["yes"] * 400, ["yes" if one else "no" for one in right], sure)
    assert ours["utterance_ece"].value == pytest.approx(ECE(BINS).measure(sure, right.astype(int)), abs=1e-6)
    assert ours["utterance_brier"].value == pytest.approx(np.mean((sure - right) ** 2))
    assert "ece" not in ours, "there are no confidences of words"


def test_calibration_of_words() -> None:
    ours = askd_bench.evaluate(["the cat sat"], ["the hat sat"], [[1.0, 0.75, None]])
    assert ours["overconfidence_gap"].value == pytest.approx((1.0 + 0.75) / 2 - 1 / 2)
    assert ours["ece"].value is None
    assert "fewer than 300 words" in str(ours["ece"].reason)


def test_one_text_may_come_without_a_list() -> None:
    alone = askd_bench.evaluate("the cat sat", "the hat sat", [0.9, 0.4, 0.8])
    listed = askd_bench.evaluate(["the cat sat"], ["the hat sat"], [[0.9, 0.4, 0.8]])
    assert dict(alone) == dict(listed)


def test_no_hypothesis_and_an_empty_one_differ() -> None:
    assert askd_bench.evaluate(["a b", "c d"], ["a b", None])["wer"].value == 0
    assert askd_bench.evaluate(["a b", "c d"], ["a b", ""])["wer"].value == 0.5
    assert askd_bench.evaluate(["a b", "c d"], ["a b", None])["wer_failed_deleted"].value == 0.5


def test_speakers_are_what_is_resampled() -> None:
    references = ["a b c"] * 40
    hypotheses = ["a b c" if number % 4 else "x y z" for number in range(40)]
    apart = askd_bench.evaluate(references, hypotheses)["wer"]
    together = askd_bench.evaluate(references, hypotheses, speakers=[str(number % 20) for number in range(40)])["wer"]
    assert together.value == apart.value
    assert together.high - together.low > apart.high - apart.low, "two lines of a speaker fail together"


def test_shows_itself() -> None:
    ours = askd_bench.evaluate(["the cat sat"] * 6, ["the hat sat"] * 6)
    table = ours.table().set_index("metric")
    assert table.loc["wer", "value"] == pytest.approx(1 / 3)
    assert list(table.index) == list(ours)
    assert "<table" in ours._repr_html_()
    assert "wer_capped" in ours._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((3, ["a"]), "references: 3 is of type int"),
        (([], []), "references: there are none"),
        ((["a"], ["b", "c"]), "hypotheses: there are 2, and 1 references"),
        ((["a"], [3]), r"hypotheses\[0\]: 3 is of type int \(allowed: text\)"),
        ((["a"], ["b c"], [[0.3]]), r"confidences\[0\]: there are 1, and 2 words in 'b c'"),
        ((["a"], ["b"], [2]), r"confidences\[0\]: 2 is out of range \(allowed: 0 to 1\)"),
        ((["a"], ["b"], [["high"]]), r"confidences\[0\]\[0\]: 'high' is of type str"),
        ((["a"], ["b"], [0.5, 0.5]), "confidences: there are 2, and 1 references"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        askd_bench.evaluate(*arguments)  # type: ignore[arg-type]
