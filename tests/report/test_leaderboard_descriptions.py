"""What the two data files beside the results say, and how they are refused."""

import json
from pathlib import Path

import pytest

from askd_bench.errors import UserError
from askd_bench.models.names import bundled_models
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.leaderboard.descriptions import read_models, read_published
from askd_bench.results import find_results

GOOD = '["a"]\ndescription = "d"\nlicence = "MIT"\n'
TABLE = '[[tables]]\ntitle = "t"\nsource = "s"\nurl = "https://x.org"\nnote = "n"\ncolumns = ["model", "WER"]\nrows = [["m", 1.5]]\n'


def test_packaged_models_are_all_known() -> None:
    names = sorted({result.path.parents[1].name for result in find_results(REFERENCE_RESULTS_DIR)})
    models = read_models(REFERENCE_RESULTS_DIR, names)
    assert set(names) <= set(models)


def test_teachers_are_those_of_the_checkpoints_recipes() -> None:
    models = read_models(REFERENCE_RESULTS_DIR, [])
    recipes = {
        name: json.loads((folder / "recipe.json").read_text())
        for name, folder in bundled_models().items()
        if (folder / "recipe.json").is_file()
    }
    assert recipes
    for name, recipe in recipes.items():
        if name in models and models[name].teacher is not None:
            assert models[name].teacher == recipe["teacher"], name


def test_published_tables_name_their_sources() -> None:
    tables = read_published(REFERENCE_RESULTS_DIR)
    assert {"Speech Robust Bench", "Open ASR Leaderboard", "Distil-Whisper", "ASKD-Whisper"} == {
        one.title.partition(":")[0] for one in tables
    }
    by_model = {row[0]: row for row in tables[0].rows}
    assert by_model["whisper-tiny.en"] == ("whisper-tiny.en", 37.52, 27.57)


def test_without_the_files_nothing_is_known(tmp_path: Path) -> None:
    assert read_models(tmp_path, ["a"]) == {}
    assert read_published(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a", "not valid TOML"),
        ('["a"]\ndescription = "d"\n', "a.licence: is missing"),
        (GOOD + 'techer = "b"\n', "key a.techer: 'techer' is unknown; did you mean 'teacher'?"),
        (GOOD + 'teacher = "b"\n', "a: teacher: 'b' is unknown"),
        (GOOD + 'control = "aa"\n', "a: control: 'aa' is unknown; did you mean 'a'?"),
        (GOOD.replace('"a"', '"other"'), "'a' has no entry"),
        (GOOD.replace("MIT", ""), "a.licence: String should have at least 1 character"),
    ],
)
def test_models_that_are_wrong(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(text)
    with pytest.raises(UserError, match=r"models\.toml") as refused:
        read_models(tmp_path, ["a"])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://", "http://", "tables.0.url"),
        ('rows = [["m", 1.5]]', 'rows = [["m", 1.5, 2]]', "every row needs 2 entries"),
        ('rows = [["m", 1.5]]', "rows = []", "tables.0.rows"),
        ('note = "n"\n', "", "tables.0.note: is missing"),
    ],
)
def test_published_tables_that_are_wrong(old: str, new: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "published.toml").write_text(TABLE.replace(old, new))
    with pytest.raises(UserError, match=r"published\.toml") as refused:
        read_published(tmp_path)
    assert said in str(refused.value)
    (tmp_path / "published.toml").write_text(TABLE)
    assert read_published(tmp_path)[0].rows == (("m", 1.5),)
