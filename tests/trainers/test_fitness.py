"""When a setting is fit for comparison, and what a sweep chooses: on made logs, then one small study and one small sweep for real."""

import json

import pytest

from askd_bench.errors import UserError
from askd_trainers.dev import Dev, last_dev
from askd_trainers.fitness import finetunes_the_teacher, judge
from askd_trainers.recipe_files import load_recipe
from askd_trainers.study import load_study
from askd_trainers.sweep import Trial, chosen, plan_sweep, run_sweep, table

TEACHER = Dev(0.5, 0.08)


def finished(folder, arm, cross_entropy, wer, *changes):
    """Return recipe and folder of a run whose log ends with these figures."""
    run = folder / f"{arm}-{cross_entropy}-{wer}"
    run.mkdir()
    history = [{"step": 0, "eval_cross_entropy": 0.5, "eval_wer": 0.08}, {"step": 9, "eval_cross_entropy": cross_entropy, "eval_wer": wer}]
    (run / "log.json").write_text(json.dumps({"history": [*history, {"step": 9, "train_loss": 0.1}]}))
    return load_recipe(arm, changes), run


@pytest.mark.parametrize(
    ("cross_entropy", "wer", "fit"), [(0.4, 0.07, True), (0.5, 0.08, True), (0.4, 0.081, False), (0.51, 0.07, False), (0.6, 0.1, False)]
)
def test_setting_is_fit_where_the_teacher_is_not_worse_in_either_figure(tmp_path, cross_entropy, wer, fit):
    (verdict,) = judge(
        [finished(tmp_path, "kd", 0.9, 0.3), finished(tmp_path, "teacher-finetuned", cross_entropy, wer)], lambda recipe: TEACHER
    )
    assert verdict.fit is fit
    assert verdict.arms == ("kd", "teacher-finetuned")
    assert str(verdict).startswith("fit" if fit else "NOT fit")


def test_setting_without_the_control_is_not_called_fit(tmp_path):
    verdicts = judge(
        [
            finished(tmp_path, "kd", 0.9, 0.3, "optimisation.learning_rate=1e-5"),
            finished(tmp_path, "teacher-finetuned", 0.4, 0.07),
        ],
        lambda recipe: TEACHER,
    )
    assert [verdict.fit for verdict in verdicts] == [False, True]
    assert "no arm fine-tunes the teacher" in str(verdicts[0])


def test_control_is_the_teacher_trained_by_cross_entropy_alone():
    assert finetunes_the_teacher(load_recipe("teacher-finetuned"))
    assert not finetunes_the_teacher(load_recipe("ce"))
    assert not finetunes_the_teacher(load_recipe("kd", ["student.checkpoint=whisper-tiny.en"]))
    assert not finetunes_the_teacher(load_recipe("teacher-finetuned", ["objective.label_smoothing=0.1"]))


def test_run_without_validation_is_one_line(tmp_path):
    (tmp_path / "log.json").write_text('{"history": []}')
    with pytest.raises(UserError, match=r"data.validation: .* nothing is known of it on dev"):
        last_dev(tmp_path)


def test_sweep_chooses_the_lowest_wer_then_the_lowest_cross_entropy():
    trials = [
        Trial("kd", 1e-3, None), Trial("kd", 1e-4, Dev(0.5, 0.1, 0.3)), Trial("kd", 1e-5, Dev(0.4, 0.1)), Trial("ce", 1e-3, None),
    ]  # fmt: skip
    assert chosen(trials) == {"kd": 1e-5}
    lines = table(trials, []).splitlines()
    assert "| kd | 0.0001 | 0.500 | 10.00 | 0.200 |" in lines
    assert "| kd | **1e-05** | 0.400 | 10.00 |  |" in lines
    assert "| ce | 0.001 | diverged | | |" in lines


def write_study(folder, teacher, speech, held_out, more=""):
    (folder / "study.toml").write_text(
        f"""
name = "small"
set = ["teacher='{teacher}'", "data.train='{speech}'", "data.validation='{held_out}'", "data.validation_split='test'",
       "data.guard_suites=[]", "optimisation.steps=2", "optimisation.batch_size=4", "optimisation.warmup_steps=0",
       "runtime.trackers=[]", "optimisation.precision=float32"]
[[arms]]
recipe = "ce"
[[arms]]
recipe = "teacher-finetuned"
set = ["student.checkpoint='{teacher}'"]
{more}
"""
    )
    return load_study(folder / "study.toml")


def test_sweep_tries_every_rate_for_every_arm_and_goes_on_after_one_that_diverges(tmp_path, tiny_teacher, speech, held_out):
    study = write_study(tmp_path, tiny_teacher, speech, held_out, "[sweep]\nlearning_rates = [1e30, 1e-9]")
    trials = plan_sweep(study, tmp_path, tmp_path / "out")
    assert [(recipe.arm, recipe.optimisation.learning_rate) for recipe, _ in trials] == [
        ("ce", 1e30), ("ce", 1e-9), ("teacher-finetuned", 1e30), ("teacher-finetuned", 1e-9),
    ]  # fmt: skip
    results = run_sweep(trials, tmp_path / "out", announce=lambda _: None)
    assert [trial.dev is None for trial in results] == [True, False, True, False]
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["chosen"] == {"ce": 1e-9, "teacher-finetuned": 1e-9}
    assert "comparison: learning rate 1e-09, 2 steps (ce, teacher-finetuned)" in (tmp_path / "out" / "sweep.md").read_text()
    assert results[3].dev.cross_entropy == pytest.approx(
        next(iter(json.loads((tmp_path / "out" / "teacher-dev.json").read_text()).values()))["cross_entropy"], abs=1e-3
    )  # the teacher, trained at a rate of nothing, is the teacher
    assert results[3].dev.gap is not None


def test_rate_of_the_encoder_keeps_its_ratio(tmp_path, tiny_teacher, speech, held_out):
    study = write_study(tmp_path, tiny_teacher, speech, held_out, "[sweep]\nlearning_rates = [1e-4]")
    changed = study.model_copy(update={"set": (*study.set, "optimisation.learning_rate=1e-3", "optimisation.encoder_learning_rate=1e-4")})
    assert plan_sweep(changed, tmp_path, tmp_path)[0][0].optimisation.encoder_learning_rate == pytest.approx(1e-5)


def test_sweep_without_rates_or_dev_is_one_line(tmp_path, tiny_teacher, speech, held_out):
    with pytest.raises(UserError, match=r"sweep.learning_rates: none is given"):
        plan_sweep(write_study(tmp_path, tiny_teacher, speech, held_out), tmp_path, tmp_path)
    study = write_study(tmp_path, tiny_teacher, speech, "", "[sweep]\nlearning_rates = [1e-4]")
    with pytest.raises(UserError, match=r"data.validation: arm 'ce' has none"):
        plan_sweep(study, tmp_path, tmp_path)
