import random

import jiwer
import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics import word_errors
from askd_bench.metrics.bootstrap import clusters_of, resample
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.scoring import Scored, score
from askd_bench.text import normaliser
from askd_bench.types import ErrorCounts, Row


def row(reference: str, hypothesis: str | None, utterance: str = "u", **more) -> Row:
    more.setdefault("error", None if hypothesis is not None else "failed")
    return Row(condition="clean", utterance=utterance, reference=reference, hypothesis=hypothesis, duration_s=1.0, **more)


def estimates(scored: Scored) -> dict[str, Estimate]:
    resampled = resample(word_errors.statistics(scored), clusters_of(scored), resamples=200)
    return {metric.name: metric.estimate(resampled) for metric in word_errors.METRICS}


def test_pooled_rates_equal_jiwer() -> None:
    rows = [r for r in simulate(references(300)) if normaliser("whisper-english")(r.reference)]
    scored = score(rows)
    got = estimates(scored)
    normalise = normaliser("whisper-english")
    references_, hypotheses = [normalise(r.reference) for r in rows], [normalise(r.hypothesis) for r in rows]
    words = jiwer.process_words(references_, hypotheses)
    assert got["wer"].value == pytest.approx(words.wer, abs=1e-12)
    assert got["mer"].value == pytest.approx(words.mer, abs=1e-12)
    assert got["wil"].value == pytest.approx(words.wil, abs=1e-12)
    assert got["cer"].value == pytest.approx(jiwer.process_characters(references_, hypotheses).cer, abs=1e-12)
    counts = word_errors.word_counts(scored)
    assert counts == ErrorCounts(words.hits, words.substitutions, words.deletions, words.insertions)


def test_pooled_is_not_the_mean_of_rates() -> None:
    scored = score([row("a", "b", "1"), row("a b c d e f g h i", "a b c d e f g h i", "2")], normalizer="none")
    assert estimates(scored)["wer"].value == pytest.approx(0.1)


def test_order_does_not_matter_and_counts_add() -> None:
    rows = list(simulate(references(60)))
    shuffled = random.Random(3).sample(rows, len(rows))
    assert {k: v.as_dict() for k, v in estimates(score(rows)).items()} == {k: v.as_dict() for k, v in estimates(score(shuffled)).items()}
    whole = word_errors.word_counts(score(rows))
    assert whole == word_errors.word_counts(score(rows[:40])) + word_errors.word_counts(score(rows[40:]))
    chars = word_errors.char_counts(score(rows))
    assert chars == word_errors.char_counts(score(rows[:40])) + word_errors.char_counts(score(rows[40:]))


def test_empty_references_give_no_rate_but_keep_the_insertions() -> None:
    scored = score([row("", "hello there"), row("[noise]", "", "2")])
    got = estimates(scored)
    assert word_errors.word_counts(scored) == ErrorCounts(insertions=2)
    for name in ("wer", "cer", "mer", "wil"):
        assert got[name].value is None
        assert got[name].reason.startswith("no reference")


def test_empty_hypothesis_is_all_deleted() -> None:
    got = estimates(score([row("a b c", "", "1"), row("d", "", "2")], normalizer="none"))
    assert got["wer"].value == got["deletion_rate"].value == got["wil"].value == got["cer"].value == 1.0


def test_failed_utterances_are_left_out_counted_and_shown_as_sensitivity() -> None:
    scored = score([row("a b", "a b", "1"), row("c d", None, "2")], normalizer="none")
    assert scored.failed.tolist() == [False, True]
    got = estimates(scored)
    assert got["wer"].value == 0.0
    assert got["wer"].n == 2
    assert got["wer_failed_deleted"].value == 0.5


def test_only_failures_is_no_rate() -> None:
    assert estimates(score([row("a b", None)]))["wer"].value is None


def test_an_utterance_may_occur_once_per_condition() -> None:
    with pytest.raises(UserError, match="'u' occurs twice in condition 'clean'"):
        score([row("a", "a"), row("a", "b")])


def test_normalisation_decides() -> None:
    rows = [row("The colour is twenty-five.", "the color is 25")]
    assert estimates(score(rows))["wer"].value == 0.0
    assert estimates(score(rows, normalizer="none"))["wer"].value > 0.5


def test_half_a_surrogate_pair_is_a_character_like_any_other() -> None:
    scored = score([row("one \ud800 two", "one \ud800 too"), row("one", "\udfff", "v"), row("a\ud800", "a", "w")], normalizer="none")
    assert (scored.hits.tolist(), scored.substitutions.tolist()) == ([2, 0, 0], [1, 1, 1])
    assert scored.text_bytes.tolist() == [len("one  too") + 3, 3, 1]


def test_select_keeps_words_with_their_utterances() -> None:
    scored = score(simulate(references(30)))
    keep = np.arange(len(scored)) % 3 == 1
    part = scored.select(keep)
    assert len(part) == keep.sum()
    assert np.bincount(part.words.utterance, minlength=len(part)).tolist() == part.hypothesis_words.tolist()
    assert np.bincount(part.words.utterance, weights=part.words.correct, minlength=len(part)).tolist() == part.hits.tolist()
    assert {len(v) for v in part.words.tempered.values()} == {len(part.words.correct)}


def test_one_cluster_has_a_value_without_interval() -> None:
    got = estimates(score([row("a b", "a c")], normalizer="none"))["wer"]
    assert (got.value, got.low, got.high) == (0.5, None, None)
    assert "fewer than 5 clusters" in got.reason


def test_an_error_never_seen_has_no_interval_of_no_width() -> None:
    got = estimates(score([row("a b", "a b", f"u{i}") for i in range(20)], normalizer="none"))["wer"]
    assert (got.value, got.low, got.high) == (0.0, None, None)
    assert got.reason == "no interval: the same in every resample, as where an event was never seen"
