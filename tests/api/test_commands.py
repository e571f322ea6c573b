"""`askd_bench.api`: every command is a function, and takes paths as text."""

from pathlib import Path
from typing import Any

import pytest
import typer

from askd_bench import api, cli
from askd_bench.errors import UserError
from askd_bench.paths import REFERENCE_RESULTS_DIR


def test_every_command_is_a_function() -> None:
    commands = set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
    assert {name.rstrip("_") for name in api.__all__} == commands | {"evaluate", "load_model"}
    assert all(callable(getattr(api, name)) for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'reprot'"):
        api.reprot  # noqa: B018


def test_paths_are_text_too(tmp_path: Path) -> None:
    file = tmp_path / "one.toml"
    file.write_text('name="one"\nversion=3\ntitle="One"\ndescription="d"\ncorpora=["books"]\n[[conditions]]\nid="clean"\n')
    assert api.validate(str(file)).label == "one-v3"
    assert [one["condition"] for one in api.list_("conditions", str(file))] == ["clean"]
    dialogue = REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "clean-v1" / "prompts"
    assert list(api.groups(str(dialogue), "speaker")) == ["clean"]
    [verdict] = api.verify(str(dialogue), sample=0, workers=0)
    assert verdict.problems == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: api.report(["a"]), "result_dir: "),
        (lambda: api.report(3), "result_dirs: 3 is of type int"),
        (lambda: api.merge(["a"]), "shards: none is in 'a'"),
        (lambda: api.list_("suits"), "what: 'suits' is unknown; did you mean 'suites'"),
        (lambda: api.export("sml", "a", out="b"), "format: 'sml' is unknown"),
        (lambda: api.export("stm", 3, out="b"), "result_dir: 3 is of type int"),
        (lambda: api.groups("a", "sex"), "by: 'sex' is unknown"),
        (lambda: api.leaderboard(3), "results: 3 is of type int"),
        (lambda: list(api.verify(3)), "result_dirs: 3 is of type int"),
        (lambda: api.validate(3), "suite: 3 is of type int"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(call: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as told:
        call()
    assert str(told.value).startswith(said)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
