"""Recipes: what comes with the package is valid and comparable, and what is wrong is said in one line."""

import pytest

from askd_bench.errors import UserError
from askd_trainers.recipe_files import RECIPES_DIR, load_recipe

ARMS = sorted(path.stem for path in RECIPES_DIR.glob("[!_]*.toml"))


def test_all_arms_of_the_study_are_there():
    needed = {"ce", "kd", "kd-label-smoothing", "kd-confidence-penalty", "kd-annealed", "kd-self", "askd", "teacher-finetuned"}
    assert needed <= set(ARMS)


ELSE = {"teacher-finetuned": {"student"}, "askd-post": {"student", "optimisation"}, "askd-pseudo": {"data"}}
"""What an arm changes beside its objective: that is what it is about."""


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm != "context"])
def test_arms_differ_in_their_objective_alone(arm):
    recipe, base = load_recipe(arm), load_recipe("ce")
    assert recipe.arm == arm
    same = {"data", "optimisation", "runtime", "seed", "teacher", "family", "student"} - ELSE.get(arm, set())
    assert recipe.model_dump(include=same) == base.model_dump(include=same)


@pytest.mark.parametrize("arm", ARMS)
def test_resolved_recipe_reads_back(arm):
    recipe = load_recipe(arm)
    assert type(recipe).model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective.temprature=2", "objective.temprature: .*known keys here: .*temperature"),
        ("objective.temperature=0", "objective.temperature: Input should be greater than 0 .got 0"),
        ("optimisation.learning_rate=inf", "optimisation.learning_rate: .*finite number .got inf"),
        ("data.conditions=['white-10dB']", "data: conditions need a suite"),
        ("optimisation.steps=-3", "optimisation.steps: .*greater than or equal to 1 .got -3"),
        ("objective.teacher.schedule=quadratic", "objective.teacher.schedule: .*'constant', 'linear', 'cosine' or 'adaptive'.*quadratic"),
        ("objective.teacher.weight=1.5", "objective.teacher: weight must be at most 1"),
        ("objective.phase_a_fraction=1.0", "self_teacher needs a phase B"),
        ("optimisation.micro_batch_size=5", "batch_size 16 must be a multiple of micro_batch_size 5"),
        ("data.augment.time_masks=1", "student.trainable must be 'all' where data.augment"),
        ("runtime.keep_checkpoints=1", "runtime.keep_checkpoints: .*greater than or equal to 2"),
        ("family=ctc", "student.trainable must be 'all'"),
        ("seed=4294967296", "seed: .*less than 4294967296"),
        ("arm=../x", "arm: .*match pattern"),
        ("seed", "--set: 'seed' is not of the form"),
        ("seed.x=1", "--set: 'seed.x': 'seed' is not a table"),
    ],
)
def test_wrong_keys_and_values_are_one_line(change, message):
    with pytest.raises(UserError, match=message) as error:
        load_recipe("askd", [change])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["objective.self_teacher.schedule=crossfade", "objective.teacher.schedule=constant"], "needs a teacher whose weight decays"),
        (["objective.phase_a_patience=1", "objective.phase_a_fraction=0.0"], "phase_a_patience needs a phase A"),
        (["objective.phase_a_patience=1", "data.validation="], "phase_a_patience needs data.validation"),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(changes, message):
    with pytest.raises(UserError, match=message):
        load_recipe("askd", changes)


def test_a_window_is_refused_where_models_have_none():
    with pytest.raises(UserError, match=r"student.window_seconds is for family 'whisper'"):
        load_recipe("kd", ["family=ctc", "student.trainable=all", "student.window_seconds=10"])


def test_unknown_recipe_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'askd'"):
        load_recipe("aksd")


def test_recipe_extends_another_and_its_own_values_win(tmp_path):
    (tmp_path / "a.toml").write_text((RECIPES_DIR / "_base.toml").read_text() + "\n[objective]\ntemperature = 3.0\n")
    (tmp_path / "b.toml").write_text('extends = "a.toml"\narm = "mine"\n[optimisation]\nsteps = 7\n')
    recipe = load_recipe(tmp_path / "b.toml")
    assert (recipe.arm, recipe.optimisation.steps, recipe.optimisation.batch_size, recipe.objective.temperature) == ("mine", 7, 16, 3.0)


@pytest.mark.parametrize("parent", ["3", "'x.toml'", "'y.toml'"])
def test_recipe_that_extends_itself_or_no_file_is_one_line(tmp_path, parent):
    (tmp_path / "x.toml").write_text(f"extends = {parent}")
    (tmp_path / "y.toml").write_text("extends = 'x.toml'")
    with pytest.raises(UserError, match=r"recipe: .*extends: .* must name another file"):
        load_recipe(tmp_path / "x.toml")


def test_empty_text_is_none_where_none_is_allowed():
    data = load_recipe("kd", ["data.validation=", "data.validation_split=''"]).data
    assert (data.validation, data.validation_split) == (None, None)


@pytest.mark.parametrize("text", ["arm = ", "\x00", 'extends = "nowhere.toml"'])
def test_unreadable_recipe_is_one_line(tmp_path, text):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UserError, match=r"recipe: .*(not valid TOML|cannot be read)"):
        load_recipe(tmp_path / "x.toml")


def test_bundled_recipe_is_extended_where_no_such_file_is_beside(tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "kd.toml"\narm = "mine"\n')
    recipe = load_recipe(tmp_path / "mine.toml")
    assert (recipe.arm, recipe.objective) == ("mine", load_recipe("kd").objective)
    (tmp_path / "kd.toml").write_text((RECIPES_DIR / "_base.toml").read_text() + "\n[objective]\ntemperature = 3.0\n")
    assert load_recipe(tmp_path / "mine.toml").objective.temperature == 3.0


def test_folder_of_the_same_name_does_not_hide_a_bundled_recipe(tmp_path, monkeypatch):
    (tmp_path / "kd").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_recipe("kd").arm == "kd"
