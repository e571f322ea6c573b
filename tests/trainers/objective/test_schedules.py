"""Weights at the ends of both phases, and the identities between arms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_trainers.objective.schedules import LossSchedule
from askd_trainers.objective.weights import Weights
from askd_trainers.recipe import Objective, SelfTeacherTerm, TeacherTerm
from askd_trainers.recipe_files import load_recipe

T, T_A = 100, 40


def askd(schedule="linear", **changes):
    return LossSchedule(
        Objective(
            teacher=TeacherTerm(schedule=schedule, weight=0.8),
            self_teacher=SelfTeacherTerm(weight=0.5),
            phase_a_fraction=T_A / T,
        ).model_copy(update=changes),
        T,
    )


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_annealed_weights_at_the_ends_of_the_phases(schedule):
    weights = askd(schedule).weights
    assert weights(0) == Weights(pytest.approx(0.2), teacher=0.8)
    assert weights(T_A // 2).teacher == pytest.approx(0.4)
    assert weights(T_A) == Weights(1.0)
    assert weights(T_A + 1).teacher == 0
    assert weights(T_A + 1).self_teacher == pytest.approx(0.5 / (T - T_A))
    assert weights(T) == Weights(0.5, self_teacher=0.5)


@given(st.integers(0, T), st.sampled_from(["linear", "cosine", "adaptive", "constant"]))
def test_weights_are_convex_and_the_teachers_never_rises(step, schedule):
    one = askd(schedule)
    now, later = one.weights(step), one.weights(min(step + 1, T))
    assert now.cross_entropy + now.teacher + now.self_teacher == pytest.approx(1)
    assert later.teacher <= now.teacher
    assert later.self_teacher >= now.self_teacher or step == T
    assert not (now.teacher > 0 and now.self_teacher > 0)


def test_constant_weight_without_phase_b_is_plain_distillation():
    plain = LossSchedule(Objective(teacher=TeacherTerm(weight=0.5, cross_entropy_weight=0.5)), T)
    annealed = LossSchedule(Objective(teacher=TeacherTerm(schedule="constant", weight=0.5)), T)
    assert [plain.weights(t) for t in range(T)] == [annealed.weights(t) for t in range(T)]


def test_controls_differ_from_askd_in_one_thing():
    schedules = {
        arm: LossSchedule(load_recipe(arm).objective, T) for arm in ("askd", "kd-annealed", "kd-self", "kd", "ce", "teacher-finetuned")
    }
    half = schedules["askd"].phase_a_steps
    for step in range(half + 1):
        assert schedules["kd-annealed"].weights(step) == schedules["askd"].weights(step)
        assert schedules["kd-self"].weights(step) == schedules["kd"].weights(step) == Weights(0.8, teacher=1.0)
    for step in range(half + 1, T):
        assert schedules["kd-annealed"].weights(step) == Weights(1.0)
        assert schedules["kd-self"].weights(step) == schedules["askd"].weights(step)
    for step in range(T):
        assert schedules["ce"].weights(step) == schedules["teacher-finetuned"].weights(step) == Weights(1.0)


def test_gap_schedule_follows_the_gap_down_and_never_up_again():
    schedule = askd("adaptive")
    assert schedule.follows_gap
    assert not askd().follows_gap
    seen = [schedule.weights(0).teacher]
    for step, (student, teacher) in enumerate([(4, 1), (2.5, 1), (1.5, 1), (3, 1), (0.5, 1), (0.5, 1)] * 5):
        schedule.observe(student, teacher)
        seen.append(schedule.weights(min(step + 1, T_A)).teacher)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 0.8
    assert 0 < seen[-1] < 0.8
    assert schedule.weights(T_A).teacher == 0


def test_gap_schedule_lets_go_when_the_student_is_as_good_from_the_start():
    schedule = askd("adaptive")
    schedule.observe(1.0, 2.0)
    assert schedule.weights(1) == Weights(1.0)


def test_state_continues_the_gap_schedule():
    one, other = askd("adaptive"), askd("adaptive")
    one.observe(4, 1)
    one.observe(3, 1)
    other.load_state_dict(one.state_dict())
    for schedule in (one, other):
        schedule.observe(2, 1)
    assert one.weights(5) == other.weights(5)


def test_crossfade_hands_the_teachers_weight_to_the_self_teacher():
    schedule = LossSchedule(
        Objective(teacher=TeacherTerm(schedule="linear", weight=0.8), self_teacher=SelfTeacherTerm(weight=0.8, schedule="crossfade")), T
    )
    for step in range(T + 1):
        weights = schedule.weights(step)
        assert weights.teacher + weights.self_teacher == pytest.approx(0.8)
        assert weights.cross_entropy == pytest.approx(0.2)
    assert schedule.weights(0).self_teacher == 0
    assert schedule.weights(T).teacher == 0
    assert schedule.self_teacher_from == 0


def test_phase_a_ends_when_dev_has_not_got_better_so_many_times():
    schedule = askd(phase_a_patience=2)
    said = [schedule.observe_dev(step, loss) for step, loss in [(0, 3.0), (5, 2.0), (10, 2.1), (15, 1.9), (20, 1.9), (25, 2.5), (30, 3.0)]]
    assert said == [False, False, False, False, False, True, False]
    assert schedule.phase_a_steps == 25
    assert schedule.weights(26).teacher == 0
    assert schedule.weights(26).self_teacher == pytest.approx(0.5 / (T - 25))
    resumed = askd(phase_a_patience=2)
    resumed.load_state_dict(schedule.state_dict())
    assert [resumed.weights(step) for step in range(T)] == [schedule.weights(step) for step in range(T)]


def test_without_the_rule_dev_ends_nothing():
    schedule = askd()
    assert not any(schedule.observe_dev(step, 1.0 + step) for step in range(T))
    assert schedule.phase_a_steps == T_A


def test_state_of_older_checkpoints_is_read():
    schedule = askd("adaptive")
    schedule.load_state_dict({"gap": 1.0, "first_gap": 2.0, "share": 0.5})
    assert schedule.weights(1).teacher == pytest.approx(0.4)
    assert schedule.phase_a_steps == T_A
