import dataclasses
import json

import pytest
from simulated import references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics.comparison import compare
from askd_bench.metrics.scoring import score
from askd_bench.types import Row

CONDITIONS = (("clean", 0.05), ("noise-0", 0.3))


def system(seed: int, conditions=CONDITIONS, n: int = 150) -> list[Row]:
    return list(simulate(references(n), conditions, seed=seed))


def fail(row: Row) -> Row:
    return dataclasses.replace(row, hypothesis=None, error="x", words=(), word_tokens=(), token_logprobs=(), tempered_logprobs={})


def test_student_teacher_and_control() -> None:
    student, teacher = system(1), system(2, (("clean", 0.12), ("noise-0", 0.3)))
    got = compare(student, teacher, system(4), resamples=500)
    assert [c.condition for c in got.conditions] == ["clean", "noise-0"]
    clean = got.conditions[0]
    assert clean.versus_teacher.verdict == "better than the teacher"
    assert clean.versus_teacher.difference.difference.high < 0
    assert clean.versus_teacher.matched_pairs.z < 0
    assert clean.versus_teacher.matched_pairs_p_holm >= clean.versus_teacher.matched_pairs.p
    assert got.conditions[1].versus_control.verdict.startswith("no difference that this corpus could show")
    assert clean.versus_teacher.capped_verdict == "better than the teacher"
    assert clean.versus_teacher.p_holm >= clean.versus_teacher.difference.p
    assert got.pooled.versus_teacher.matched_pairs.p is None, "renderings of one recording are no independent segments"
    assert clean.control_blind_spots is not None
    assert "inherited_vs_control" in clean.inheritance
    assert (got.resampled, got.clusters) == ("speaker", 12)


def test_rates_and_counts_are_those_of_scoring() -> None:
    student, teacher = system(1), system(2)
    got = compare(student, teacher, resamples=100)
    scored = score([row for row in student if row.split == "test"])
    for part in got.conditions:
        own = scored.select(scored.condition == part.condition)
        assert part.wer["student"].value == pytest.approx(own.errors.sum() / own.reference_words.sum())
        assert part.utterances == len(own)
        spots = part.blind_spots
        assert sum(dataclasses.astuple(spots)) == own.reference_words.sum()
        assert spots.handed_down / (spots.handed_down + spots.changed + spots.mended) == pytest.approx(part.inheritance["inherited"].value)
        difference = part.versus_teacher.difference.difference.value
        assert difference == pytest.approx(part.wer["student"].value - part.wer["teacher"].value)


def test_a_model_beside_itself() -> None:
    rows = system(1)
    got = compare(rows, rows, resamples=100).pooled
    assert got.versus_teacher.difference.difference.value == 0
    assert got.versus_teacher.p_holm is None
    assert got.inheritance["inheritance_excess"].value == 1
    assert got.versus_teacher.verdict == "no difference in this corpus"


def test_a_loop_carries_no_capped_verdict() -> None:
    student, teacher = system(1), system(2)
    at = next(i for i, row in enumerate(student) if row.split == "test")
    looping = [*student]
    looping[at] = dataclasses.replace(
        student[at], hypothesis="and so on " * 3000, words=(), word_tokens=(), token_logprobs=(), tempered_logprobs={}
    )
    plain, got = (compare(rows, teacher, resamples=400).pooled.versus_teacher for rows in (student, looping))
    assert got.difference.difference.value > 1
    assert got.capped.difference.value == pytest.approx(plain.capped.difference.value, abs=0.01)
    assert got.capped_p_holm == pytest.approx(plain.capped_p_holm, abs=0.15)
    assert got.difference.detectable > 10 * got.capped.detectable


def test_a_verdict_never_contradicts_its_interval() -> None:
    for seed in range(6):
        got = compare(system(seed), system(seed + 10, (("clean", 0.06), ("noise-0", 0.31))), resamples=400).pooled.versus_teacher
        for one, p in ((got.difference, got.p_holm), (got.capped, got.capped_p_holm)):
            low, high = one.difference.low, one.difference.high
            assert (p < 0.05) == (low > 0 or high < 0) or abs(p - 0.05) < 0.01


def test_order_does_not_matter() -> None:
    student, teacher = system(1), system(2)
    assert compare(student, teacher, resamples=50).as_dict() == compare(student[::-1], teacher[7:] + teacher[:7], resamples=50).as_dict()


def test_json_ready_without_nan() -> None:
    text = json.dumps(compare(system(1), system(2), system(3), resamples=50).as_dict(), allow_nan=False)
    assert "versus_control" in text


def test_failed_utterances_leave_the_comparison_and_are_counted() -> None:
    student, teacher = system(1), system(2)
    first = next(i for i, row in enumerate(teacher) if row.split == "test")
    teacher[first] = fail(teacher[first])
    got = compare(student, teacher, resamples=50)
    part = next(c for c in got.conditions if c.condition == teacher[first].condition)
    assert part.left_out == 1


def test_dev_rows_do_not_take_part() -> None:
    student, teacher = system(1), system(2)
    noisy = [fail(row) if row.split == "dev" else row for row in student]
    assert compare(noisy, teacher, resamples=50).as_dict() == compare(student, teacher, resamples=50).as_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [r for r in rows if r.condition == "clean"], "conditions noise-0 are not in both student and teacher"),
        (lambda rows: rows[:-1], "1 utterances are not in both student and teacher, first"),
        (
            lambda rows: [*rows[:-1], dataclasses.replace(rows[-1], reference="other")],
            "reference differs between student and teacher for 1",
        ),
        (
            lambda rows: [*rows[:-1], dataclasses.replace(rows[-1], audio_sha256="0")],
            "audio_sha256 differs between student and teacher for 1",
        ),
        (lambda rows: [*rows, rows[-1]], "teacher: 1 utterances occur twice"),
        (lambda rows: [], "teacher: no utterances to compare"),
    ],
)
def test_incomparable_results_are_refused_in_words(change, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare(system(1), change(system(2)), resamples=10)


def test_unknown_audio_hash_is_no_difference() -> None:
    teacher = [dataclasses.replace(row, audio_sha256=None) for row in system(2)]
    assert compare(system(1), teacher, resamples=10).pooled.utterances == 240
