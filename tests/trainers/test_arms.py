"""The arms that vary ASKD: ten steps each, and what their logs say of the terms."""

import json

import pytest
import torch
from transformers import TrainerCallback

from askd_trainers.distil import prepare, train_recipe
from askd_trainers.trainer.checkpoints import last_checkpoint

ARMS = ("askd-adaptive", "askd-crossfade", "askd-post", "askd-pseudo", "kd-light", "ps-kd")


@pytest.mark.parametrize("arm", ARMS)
def test_arm_trains_ten_steps_and_its_log_says_what_each_term_did(make_recipe, tiny_teacher, tmp_path, arm):
    start = [f"student.checkpoint='{tiny_teacher}'"] if arm == "askd-post" else []
    recipe = make_recipe(arm, *start, "optimisation.steps=10", "runtime.log_steps=1", "runtime.eval_steps=5", validation=True)
    student = train_recipe(recipe, tmp_path / "run")
    history = json.loads((student / "log.json").read_text())["history"]
    steps = [entry for entry in history if "loss" in entry]
    assert len(steps) == 10
    for entry in steps:
        assert sum(value for name, value in entry.items() if name.endswith("_share")) == pytest.approx(1.0)
    masses = {name for name in steps[-1] if name.endswith("_mass")}
    objective = recipe.objective
    assert ("teacher_mass" in masses) == (objective.teacher is not None)
    assert ("self_teacher_mass" in masses) == (objective.self_teacher is not None)
    assert sum(steps[-1][name] for name in masses) == pytest.approx(1.0)  # these arms are convex at every step
    if objective.self_teacher is not None:
        assert any("self_kl" in entry for entry in steps)  # 0 at its first step, when it still is the student


@pytest.mark.parametrize(("phase_b", "rates"), [("hold", [1.0, 0.75, 0.5, 0.5]), ("restart", [1.0, 0.5, 1.0, 0.5])])
def test_phase_b_has_a_learning_rate(make_recipe, tmp_path, phase_b, rates):
    changes = (f"optimisation.phase_b_learning_rate={phase_b}", "optimisation.steps=4", "runtime.log_steps=1")
    run = prepare(make_recipe("askd", *changes), tmp_path)
    seen = []

    class Rate(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            seen.append(run.trainer.optimizer.param_groups[0]["lr"])

    run.trainer.add_callback(Rate())
    run.trainer.train()
    assert seen == pytest.approx([1e-3 * rate for rate in rates])


def test_phase_a_that_ended_by_the_rule_on_dev_resumes_to_the_bit(make_recipe, tmp_path):
    recipe = make_recipe(
        "askd-adaptive", "optimisation.steps=8", "optimisation.learning_rate=3e-1", "optimisation.phase_b_learning_rate=restart",
        "runtime.eval_steps=1", "runtime.save_steps=1", "objective.phase_a_patience=1", validation=True,
    )  # fmt: skip
    whole = prepare(recipe, tmp_path / "whole")
    whole.trainer.train()
    ended = [entry["phase_a_steps"] for entry in whole.trainer.state.log_history if "phase_a_steps" in entry]
    assert len(ended) == 1
    assert 1 <= ended[0] < 6
    cut = prepare(recipe, tmp_path / "cut")

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == 7:
                raise KeyboardInterrupt

    cut.trainer.add_callback(Kill())
    with pytest.raises(KeyboardInterrupt):
        cut.trainer.train()
    resumed = prepare(recipe, tmp_path / "cut")
    resumed.trainer.train(resume_from_checkpoint=str(last_checkpoint(tmp_path / "cut")))
    assert resumed.trainer.schedule.state_dict() == whole.trainer.schedule.state_dict()
    theirs = dict(whole.student.named_parameters())
    assert all(torch.equal(mine, theirs[name]) for name, mine in resumed.student.named_parameters())


def test_over_fitting_is_measured_on_the_same_footing(make_recipe, tmp_path):
    run = prepare(make_recipe("ce", "data.suite=noisy", "data.conditions=['white-10dB']", validation=True), tmp_path)
    before = torch.get_rng_state()
    measured = run.trainer._cross_entropy(run.trainer.trained_on)
    assert torch.equal(torch.get_rng_state(), before)  # masks and order of the training do not depend on it
    assert all(example.variant == 0 for example in run.trainer.trained_on.examples)
    dev = run.trainer.evaluate()
    assert dev["eval_train_cross_entropy"] == measured
    assert dev["eval_gap"] == dev["eval_cross_entropy"] - measured
    as_dev = run.trainer.evaluate(run.trainer.trained_on)
    assert as_dev["eval_cross_entropy"] == pytest.approx(measured)
