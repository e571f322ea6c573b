"""A study's figures are those of its rows, its differences those of the paired bootstrap, and its verdict follows its rule."""

from pathlib import Path

import jiwer
import numpy as np
import pytest
from leaderboard_results import ANCHOR, Line, few, hashed, misheard, write_result
from scipy.stats import ttest_1samp

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import cluster_by
from askd_bench.metrics.systems import align_systems
from askd_bench.report.page.drawing import svg
from askd_bench.results import Result
from askd_bench.text import normaliser
from askd_bench.types import Row
from study.answers import _why_not, verdict
from study.charts import charts
from study.findings import findings, findings_beside
from study.measurements import Measurements
from study.outcomes import (
    CAPPED,
    CONFIDENT,
    DEGRADATION,
    ECE,
    ECE_SCALED,
    INHERITANCE,
    SUBSTITUTED,
    WER,
    Difference,
    difference,
    figure,
)
from study.plan import SHIFTED, StudyPlan, load_study_plan
from study.tables import primary_differences, shown, temperature_table, verdict_table

PLAN = """
teacher = "whisper-tiny.en"
primary = ["good", "bad"]
contrasts = [["single", "bad"]]
fitting = ["noisy-v1", "dialogue"]
[arms]
good = ["good-s0", "good-s1"]
bad = ["bad-s0", "bad-s1"]
like-bad = ["alike-s0", "alike-s1"]
single = ["single-s0"]
[domains.clean]
suite = "noisy-v1"
corpora = ["dialogue", "prompts"]
conditions = "baseline"
shifted = false
[domains.noise]
suite = "noisy-v1"
corpora = ["dialogue", "prompts"]
"""
RATES = {"good": 0.05, "bad": 0.7, "alike": 0.7, "single": 0.1}
MODELS = [f"{arm}-s{seed}" for arm in ("good", "bad", "alike") for seed in (0, 1)] + ["single-s0"]


def with_dev(row: Line) -> Line | None:
    return row if row["split"] == "dev" else few(24)(row)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    for corpus in ("dialogue", "prompts"):
        write_result(folder, ANCHOR, with_dev, corpus=corpus)
        for model in MODELS:
            write_result(folder, model, with_dev, misheard(model, RATES[model.split("-")[0]]), corpus=corpus)
    (folder / "study.toml").write_text(PLAN)
    return folder


@pytest.fixture(scope="module")
def measured(root: Path) -> Measurements:
    return Measurements(load_study_plan(root / "study.toml"), root, resamples=500)


def all_test_rows(root: Path, model: str) -> list[Row]:
    return [
        row for corpus in ("dialogue", "prompts") for row in Result.open(root / model / "noisy-v1" / corpus).rows() if row.split == "test"
    ]


def shifted_rows(root: Path, model: str) -> list[Row]:
    return [row for row in all_test_rows(root, model) if row.condition != "clean"]


def test_an_arms_figure_is_the_mean_of_its_seeds_pooled_rates(root: Path, measured: Measurements) -> None:
    normalise = normaliser("whisper-english")
    rates = []
    for model in ("bad-s0", "bad-s1"):
        rows = [row for row in shifted_rows(root, model) if normalise(row.reference)]
        rates.append(jiwer.wer([normalise(row.reference) for row in rows], [normalise(row.hypothesis) for row in rows]))
    one = figure(measured, ("bad-s0", "bad-s1"), SHIFTED, WER)
    assert one is not None
    assert one.value == pytest.approx(np.mean(rates), abs=1e-12)
    assert one.seeds == pytest.approx(rates, abs=1e-12)
    assert one.interval is not None
    assert one.interval[0] < one.value < one.interval[1]


def test_a_difference_of_single_models_is_that_of_a_bootstrap_by_hand(root: Path) -> None:
    measured = Measurements(load_study_plan(root / "study.toml"), root, resamples=4000)
    delta = difference(measured, ("bad-s0",), ("single-s0",), SHIFTED, WER)
    both = [shifted_rows(root, model) for model in ("bad-s0", "single-s0")]
    aligned = align_systems(both, names=["a", "b"])
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    errors, words = (np.bincount(clusters.index, weights=x) for x in (aligned.errors(0) - aligned.errors(1), aligned.reference_words))
    draws = np.random.default_rng(1).integers(0, clusters.count, (4000, clusters.count))
    samples = errors[draws].sum(axis=1) / words[draws].sum(axis=1)
    assert delta is not None
    assert delta.interval is not None
    assert delta.value == pytest.approx(errors.sum() / words.sum(), abs=1e-12)
    assert delta.interval == pytest.approx(np.quantile(samples, [0.025, 0.975]), abs=0.25 * samples.std())
    assert delta.detectable() == pytest.approx(2.8016 * samples.std(), rel=0.08)


def test_an_arm_does_not_differ_from_itself_and_the_teacher_is_its_own_copy(measured: Measurements) -> None:
    delta = difference(measured, ("bad-s0", "bad-s1"), ("bad-s0", "bad-s1"), SHIFTED, WER)
    assert delta is not None
    assert (delta.value, delta.seeds, delta.p, delta.agree) == (0.0, (0.0, 0.0), 1.0, False)
    copy = figure(measured, (ANCHOR,), SHIFTED, INHERITANCE)
    assert copy is not None
    assert copy.value == 1.0


def test_differences_change_sign_with_the_order_of_the_arms(measured: Measurements) -> None:
    for outcome in (WER, CONFIDENT, ECE, INHERITANCE):
        one = difference(measured, measured.plan.arms["good"], measured.plan.arms["bad"], SHIFTED, outcome)
        other = difference(measured, measured.plan.arms["bad"], measured.plan.arms["good"], SHIFTED, outcome)
        assert one is not None
        assert other is not None
        assert one.value == pytest.approx(-other.value)
        assert one.detectable() == pytest.approx(other.detectable())


def test_the_verdict_wants_significance_and_agreement(root: Path, measured: Measurements) -> None:
    found = {outcome.label: shown(delta, p) for outcome, delta, p in primary_differences(measured)}
    assert found[WER.label]
    assert "**shown**: good lower" in verdict_table(measured)
    plan = measured.plan.model_copy(update={"primary": ("like-bad", "bad")})
    alike = primary_differences(Measurements(plan, root, resamples=500))
    assert not any(shown(delta, p) for _, delta, p in alike)
    assert all(p is not None and delta.p is not None and p >= delta.p for _, delta, p in alike)


def test_an_arm_of_one_seed_is_compared_with_the_first_seed_and_the_teacher_with_all(measured: Measurements) -> None:
    arms = measured.plan.arms
    one = difference(measured, arms["bad"], arms["single"], SHIFTED, WER)
    first = difference(measured, arms["bad"][:1], arms["single"], SHIFTED, WER)
    assert one == first
    taught = difference(measured, arms["bad"], (ANCHOR,), SHIFTED, WER)
    assert taught is not None
    assert len(taught.seeds) == 2


def test_temperatures_are_fitted_on_dev_speech_alone(measured: Measurements) -> None:
    fit = measured.fit("bad-s0")
    assert fit.temperature is not None
    assert "| good |" in temperature_table(measured)
    raw, scaled = (figure(measured, ("bad-s0",), SHIFTED, outcome) for outcome in (ECE, ECE_SCALED))
    assert raw is not None
    assert scaled is not None
    assert (raw.value == scaled.value) == (fit.temperature == 1.0)


def test_no_loop_carries_what_stands_beside_the_primary_outcomes(root: Path, tmp_path: Path) -> None:
    """One utterance in which both seeds of an arm repeat a word a thousand times."""
    looping = {f"loop-s{seed}": f"bad-s{seed}" for seed in (0, 1)}

    def loop(row: Line) -> Line:
        sure = [-0.01] * 1000
        tokens = {"word_tokens": [1] * 1000, "token_logprobs": sure, "tempered_logprobs": dict.fromkeys(row["tempered_logprobs"], sure)}
        return row | tokens | {"hypothesis": " ".join(["so"] * 1000), "words": [["so", 0.99]] * 1000}

    for model, like in looping.items():
        for corpus in ("dialogue", "prompts"):
            number = iter(range(10**6))
            misheard_like = misheard(like, RATES["bad"])
            write_result(
                tmp_path,
                model,
                with_dev,
                lambda row, number=number, same=misheard_like: (
                    loop(same(row)) if row["condition"] == "white-0dB" and row["split"] == "test" and next(number) == 0 else same(row)
                ),
                corpus=corpus,
            )
    for model in (ANCHOR, "bad-s0", "bad-s1", "good-s0", "good-s1"):
        (tmp_path / model).symlink_to(root / model)
    plan = load_study_plan(root / "study.toml")
    plan = plan.model_copy(update={"arms": {**plan.arms, "loop": tuple(looping)}, "primary": ("loop", "bad"), "contrasts": ()})
    measured = Measurements(plan, tmp_path, resamples=500)
    change = {}
    for outcome in (WER, CAPPED, CONFIDENT, SUBSTITUTED):
        delta = difference(measured, plan.arms["loop"], plan.arms["bad"], SHIFTED, outcome)
        assert delta is not None
        change[outcome.label] = outcome.metric.factor * delta.value
    assert change[WER.label] > 20
    assert abs(change[CAPPED.label]) < 1
    assert change[CONFIDENT.label] > 10
    assert abs(change[SUBSTITUTED.label]) < 1
    assert "tells otherwise" in verdict(measured) or "not shown" in verdict_table(measured)


def test_degradation_is_against_the_same_lines(root: Path, measured: Measurements) -> None:
    rows = [row for row in all_test_rows(root, "bad-s0") if normaliser("whisper-english")(row.reference)]
    clean = {(row.utterance): errors(row) for row in rows if row.condition == "clean"}
    perturbed = [row for row in rows if row.condition != "clean"]
    words = sum(len(normaliser("whisper-english")(row.reference).split()) for row in perturbed)
    expected = sum(errors(row) - clean[row.utterance] for row in perturbed) / words
    one = figure(measured, ("bad-s0",), SHIFTED, DEGRADATION)
    assert one is not None
    assert one.value == pytest.approx(expected, abs=1e-9)


def errors(row: Row) -> int:
    """Word errors, at most as many as there are words."""
    normalise = normaliser("whisper-english")
    found = jiwer.process_words(normalise(row.reference), normalise(row.hypothesis or ""))
    return min(found.substitutions + found.deletions + found.insertions, len(normalise(row.reference).split()))


@pytest.mark.parametrize(
    ("p", "corrected", "seeds", "said"),
    [
        (0.03, 0.06, (1.0, 2.0), "not significant after Holm's correction"),
        (0.3, 0.6, (1.0, 2.0), "within what other utterances would give"),
        (0.001, 0.003, (1.0, -2.0), "the seeds do not agree in sign"),
        (0.3, 0.6, (1.0, -2.0), "other utterances would give and the seeds do not agree"),
        (None, None, (1.0, 2.0), "it has no interval"),
    ],
)
def test_why_nothing_is_shown(p: float | None, corrected: float | None, seeds: tuple[float, ...], said: str) -> None:
    delta = Difference(value=1.5, seeds=seeds, interval=None, p=p, error=None)
    assert not shown(delta, corrected)
    assert said in _why_not(delta, corrected)


def test_the_interval_over_seeds_is_students(measured: Measurements) -> None:
    delta = Difference(value=2.0, seeds=(1.0, 2.0, 3.0), interval=None, p=None, error=None)
    expected = ttest_1samp([1.0, 2.0, 3.0], 0).confidence_interval(0.95)
    assert delta.over_seeds == pytest.approx((expected.low, expected.high))
    assert Difference(value=2.0, seeds=(2.0,), interval=None, p=None, error=None).over_seeds is None


def test_the_page_names_every_arm_and_figures_are_the_same_bytes_each_time(measured: Measurements) -> None:
    drawn = charts(measured)
    page = findings(measured, {f"{chart.name}.svg": chart for chart in drawn})
    assert all(arm in page for arm in measured.plan.arms)
    assert "nan" not in page
    assert "| single − bad |" in page
    assert [svg(chart) for chart in drawn] == [svg(chart) for chart in charts(measured)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"good", "bad"]\ncontrasts', '"good", "ugly"]\ncontrasts', "primary: 'ugly' is no arm (allowed: good, bad, like-bad, single)"),
        ('[["single", "bad"]]', '[["single", "ugly"]]', "contrasts: 'ugly' is no arm (allowed: good, bad, like-bad, single)"),
        ("[domains.noise]", "[domains.shifted]", "'shifted' is taken"),
        ('fitting = ["noisy-v1", "dialogue"]', "", "fitting: is missing"),
        ("[arms]", "[arms", "not valid TOML"),
    ],
)
def test_a_wrong_plan_is_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(PLAN.replace(old, new))
    with pytest.raises(UserError) as refused:
        load_study_plan(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_other_audio_is_refused(root: Path, tmp_path: Path) -> None:
    for corpus in ("dialogue", "prompts"):
        write_result(tmp_path, ANCHOR, with_dev, corpus=corpus)
        write_result(tmp_path, "good-s0", with_dev, lambda row: row | {"audio_sha256": hashed(row["audio_sha256"])}, corpus=corpus)
    plan = StudyPlan.model_validate(load_study_plan(root / "study.toml").model_dump())
    with pytest.raises(UserError, match="audio"):
        figure(Measurements(plan, tmp_path, resamples=50), ("good-s0",), SHIFTED, WER)


def test_a_missing_student_is_named(root: Path) -> None:
    plan = load_study_plan(root / "study.toml")
    with pytest.raises(UserError, match="absent"):
        figure(Measurements(plan, root, resamples=50), ("absent",), SHIFTED, WER)


def test_tables_without_a_verdict_compare_the_pairs_of_the_plan_and_the_teacher(root: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.replace('[["single", "bad"]]', '[["single", "teacher"]]'))
    measured = Measurements(load_study_plan(tmp_path / "plan.toml"), root, resamples=100)
    text = findings_beside(measured)
    for pair in ("single − teacher", "good − bad"):
        assert text.count(f"| {pair} |") == 2, "on clean and on shifted speech"
    delta = difference(measured, ["single-s0"], ["whisper-tiny.en"], SHIFTED, WER)
    assert delta is not None
    assert f"| single − teacher | {100 * delta.value:+.1f} [" in text
    assert "shown" not in text
    assert "| good − bad | WER" not in text, "the plan compares nothing domain by domain"


def test_tables_without_a_verdict_compare_domain_by_domain_what_the_plan_says(root: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.replace("fitting =", 'by_domain = [["good", "bad"]]\nfitting ='))
    measured = Measurements(load_study_plan(tmp_path / "plan.toml"), root, resamples=100)
    _, table = findings_beside(measured).split("| good − bad | WER % |")
    for line, domain in zip(table.split("\n")[2:5], ("clean", "noise", SHIFTED), strict=True):
        delta = difference(measured, measured.plan.arms["good"], measured.plan.arms["bad"], domain, WER)
        assert delta is not None
        assert line.startswith(f"| {domain} | {100 * delta.value:+.1f} [")
