"""Masses: a mean of weights over what the steps moved; equal for arms that are to be told apart by their schedule alone."""

import pytest
import torch
from transformers import get_scheduler

from askd_trainers.objective.learning_rate import multiplier, phased_multiplier
from askd_trainers.objective.mass import Mass
from askd_trainers.objective.planned import planned_mass
from askd_trainers.objective.weights import Weights
from askd_trainers.recipe_files import load_recipe


def test_steps_count_by_their_learning_rate_and_the_state_continues():
    mass = Mass()
    mass.add(3.0, Weights(0.0, teacher=1.0))
    resumed = Mass()
    resumed.load_state_dict(mass.state_dict())
    resumed.add(1.0, Weights(1.0))
    assert resumed.means() == {"cross_entropy_mass": 0.25, "teacher_mass": 0.75}
    assert Mass().means() == {}


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant_with_warmup"])
def test_rates_are_those_of_transformers(kind):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    theirs = get_scheduler(kind, optimiser, num_warmup_steps=4, num_training_steps=20)
    for step in range(20):
        assert multiplier(step, kind=kind, total=20, warmup=4) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize(("phase_b", "at_end_of_b", "at_start_of_b"), [("continue", 0.0, 0.5), ("hold", 0.5, 0.5), ("restart", 0.0, 1.0)])
def test_phase_b_continues_holds_or_restarts_the_rate(phase_b, at_end_of_b, at_start_of_b):
    rate = [phased_multiplier(step, kind="linear", total=100, warmup=0, phase_a=50, phase_b=phase_b) for step in range(101)]
    assert rate[100] == pytest.approx(at_end_of_b)
    assert rate[50] == pytest.approx(at_start_of_b)
    assert rate[0] == 1.0


def test_kd_light_has_the_distillation_mass_of_askd():
    light, askd = planned_mass(load_recipe("kd-light")), planned_mass(load_recipe("askd"))
    assert light["teacher_mass"] == pytest.approx(askd["teacher_mass"] + askd["self_teacher_mass"], abs=5e-4)
    assert light["cross_entropy_mass"] == pytest.approx(askd["cross_entropy_mass"], abs=5e-4)
