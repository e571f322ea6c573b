"""Studies: which runs they hold, in which order, and one small one trained and scored end to end."""

import json

import pytest

from askd_bench.errors import UserError
from askd_trainers.study import load_study, plan_runs, run_study

STUDY = """
name = "test"
seeds = [0, 1]
set = ["data.train=speech.jsonl", "optimisation.steps=3"]
[[arms]]
recipe = "ce"
[[arms]]
recipe = "kd"
seeds = [0]
[[arms]]
recipe = "askd"
name = "askd-cosine"
set = ["objective.teacher.schedule=cosine"]
"""


def write(folder, text):
    (folder / "study.toml").write_text(text)
    return load_study(folder / "study.toml")


def test_runs_are_arms_times_seeds_seed_by_seed(tmp_path):
    runs = plan_runs(write(tmp_path, STUDY), tmp_path, tmp_path / "out")
    assert [run.output.name for run in runs] == ["ce-s0", "kd-s0", "askd-cosine-s0", "ce-s1", "askd-cosine-s1"]
    cosine = runs[2].recipe
    assert cosine.arm == "askd-cosine"
    assert cosine.objective.teacher.schedule == "cosine"
    assert {run.recipe.data.train for run in runs} == {("speech.jsonl",)}
    assert {run.recipe.optimisation.steps for run in runs} == {3}
    assert runs[0].student.name == "whisper-tiny.en-ce-s0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name='x'", "study.toml: arms: Field required"),
        ("name='x'\n[[arms]]\nrecipe='ce'\nseed=3", "arms.0.seed: Extra inputs are not permitted.*seeds"),
        ("name=", "not valid TOML"),
    ],
)
def test_wrong_study_is_one_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        write(tmp_path, text)


def test_unknown_suite_is_refused_before_anything_is_trained(tmp_path):
    study = write(tmp_path, STUDY + '[scoring]\nsuites = ["nosiy"]')
    with pytest.raises(UserError, match="did you mean 'noisy'"):
        plan_runs(study, tmp_path, tmp_path)


def test_two_runs_of_one_name_are_refused(tmp_path):
    study = write(tmp_path, "name='x'\n[[arms]]\nrecipe='ce'\n[[arms]]\nrecipe='ce'\nset=['optimisation.steps=9']")
    with pytest.raises(UserError, match="'ce-s0' occur twice; give one of the arms a name"):
        plan_runs(study, tmp_path, tmp_path)


def test_study_trains_what_is_missing_and_scores_all(tmp_path, make_recipe, speech, held_out, tiny_teacher):
    study = write(
        tmp_path,
        f"""
name = "small"
set = ["teacher='{tiny_teacher}'", "data.train='{speech}'", "data.validation='{held_out}'", "data.validation_split='test'",
       "data.max_validation_utterances=2", "data.guard_suites=[]", "optimisation.steps=2", "optimisation.batch_size=4",
       "runtime.trackers=[]", "optimisation.precision=float32", "data.max_train_utterances=8"]
[[arms]]
recipe = "ce"
[scoring]
suites = ["{tmp_path / "clean.toml"}"]
threads = 1
""",
    )
    (tmp_path / "clean.toml").write_text(
        f'name="clean"\nversion=1\ntitle="t"\ndescription="d"\ncorpora=["{speech}"]\n[[conditions]]\nid="clean"\nchain=[]\n'
    )
    runs = plan_runs(study, tmp_path, tmp_path / "out")
    said: list[str] = []
    run_study(study, runs, tmp_path / "out", announce=said.append)
    assert runs[0].done
    assert (tmp_path / "out" / "results" / "teacher-ce-s0" / "clean-v1").is_dir()
    assert [said[0], said[2]] == ["[1/1] ce, seed 0: training", f"scoring teacher-ce-s0 on {tmp_path / 'clean.toml'}"]
    assert said[1].startswith("NOT fit for comparison: ")
    assert [verdict["fit"] for verdict in json.loads((tmp_path / "out" / "fitness.json").read_text())] == [False]
    run_study(study, runs, tmp_path / "out", announce=said.append)
    assert said[3] == "[1/1] ce, seed 0: trained already"
