"""Options: written once, checked when they are set, and the same wherever they are read."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.errors import UserError
from askd_bench.options import ModelOptions, RunOptions, SpeechOptions, about

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"corpus": 3}, "corpus: 3 is of type int (allowed: text, or several in a list)"),
    ({"corpus": ["books", 3]}, "corpus: 3 is of type int (allowed: text)"),
    ({"corpus": {"books": 1}}, "corpus: {'books': 1} is of type dict (allowed: text, or several in a list)"),
    ({"limit": "many"}, "limit: 'many' is of type str (allowed: a whole number)"),
    ({"limit": 1.5}, "limit: 1.5 is of type float (allowed: a whole number)"),
    ({"limit": True}, "limit: True is of type bool (allowed: a whole number)"),
    ({"limit": -1}, "limit: -1 is out of range (allowed: 1 or more, or 0 for all)"),
    ({"batch_size": None}, "batch_size: None is of type NoneType (allowed: a whole number)"),
    ({"threads": 0}, "threads: 0 is out of range (allowed: 1 or more)"),
    ({"full": "yes"}, "full: 'yes' is of type str (allowed: True or False)"),
    ({"output": 3}, "output: 3 is of type int (allowed: a path, as text or pathlib.Path)"),
    ({"split": "train"}, "split: 'train' is unknown (allowed: dev, test)"),
    ({"dtype": "float23"}, "dtype: 'float23' is unknown; did you mean 'float32'"),
    ({"executor": "ray", "workers": 2}, "workers: 2 cannot be combined with executor ray"),
    ({"address": "auto"}, "address: 'auto' is of no use to executor local"),
]


@pytest.mark.parametrize(("given_options", "said"), WRONG)
def test_what_is_wrong_is_told_in_one_line(given_options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as told:
        RunOptions(**given_options)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_one_or_several_paths_or_their_names_are_the_same() -> None:
    one = RunOptions(corpus=Path("a.jsonl"), conditions="clean", output="out", noise_dir="noise", limit=np.int64(8))
    several = RunOptions(corpus=["a.jsonl"], conditions=("clean",), output=Path("out"), noise_dir=Path("noise"), limit=8)
    assert one == several
    assert hash(one) == hash(several)
    assert type(one.limit) is int


def test_options_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunOptions().limit = 3  # type: ignore[misc]


@given(limit=st.none() | st.integers(0, 10**9), full=st.booleans(), batch_size=st.integers(1, 10**6))
def test_changes_are_as_if_given_at_once(limit: int | None, full: bool, batch_size: int) -> None:
    changes = {"limit": limit, "full": full}
    assert RunOptions.of(RunOptions(batch_size=batch_size), changes) == RunOptions(batch_size=batch_size, limit=limit, full=full)
    assert RunOptions.of(None, changes) == RunOptions(limit=limit, full=full)


def test_changes_of_what_is_no_option() -> None:
    with pytest.raises(UserError, match=r"option: 'limt' is unknown; did you mean 'limit'\?"):
        RunOptions.of(None, {"limt": 3})
    with pytest.raises(UserError, match=r"options: .* is of type dict \(allowed: RunOptions\)"):
        RunOptions.of({"limit": 3}, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [ModelOptions, SpeechOptions, RunOptions])
def test_every_default_is_allowed_and_explained(kind: type[RunOptions]) -> None:
    defaults = kind()
    for field in dataclasses.fields(kind):
        assert getattr(defaults, field.name) == field.default
        assert about(field).help.endswith((".", "]"))


def test_options_that_a_model_does_not_take() -> None:
    ModelOptions().must_be_default("language", "dtype", model="a CTC model")
    ModelOptions(dtype="float16").must_be_default("language", model="a CTC model")
    with pytest.raises(UserError, match=r"language: 'de' cannot be set for a CTC model \(allowed: 'en'\)"):
        ModelOptions(language="de").must_be_default("language", "dtype", model="a CTC model")
