"""`import askd_bench`: what it offers, and that nothing is imported before it is used."""

import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import askd_bench
from askd_bench.options import ModelOptions, RunOptions, SpeechOptions

OFFERED = {
    "run", "evaluate", "compare", "render", "score", "load_model", "Transcriber", "Transcription", "Row", "RunOptions", "UserError",
    "__version__",
}  # fmt: skip
HEAVY = ("torch", "transformers", "datasets", "pandas", "matplotlib", "scipy", "numpy", "pydantic", "rich", "typer", "importlib.metadata")


def loaded(statements: str, tmp_path: Path) -> set[str]:
    """Run statements in a process of their own and return which of the heavy modules they left imported."""
    script = f"import sys\nimport askd_bench\n{statements}\nimport json; print(json.dumps(sorted(set({HEAVY}) & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    return set(json.loads(done.stdout))


def test_nothing_is_imported_before_it_is_used(tmp_path: Path) -> None:
    assert loaded("dir(askd_bench)", tmp_path) == set()
    assert loaded("askd_bench.UserError, askd_bench.RunOptions(limit=3)", tmp_path) == set()
    assert loaded("askd_bench.evaluate('a b', 'a c')", tmp_path).isdisjoint({"torch", "transformers", "matplotlib", "datasets", "typer"})
    assert loaded("askd_bench.score, askd_bench.compare", tmp_path).isdisjoint({"torch", "transformers", "matplotlib", "datasets"})


def test_all_that_is_offered_is_there() -> None:
    assert set(askd_bench.__all__) >= OFFERED
    assert set(askd_bench.__all__) <= set(dir(askd_bench))
    for name in askd_bench.__all__:
        assert getattr(askd_bench, name) is getattr(askd_bench, name), name
    assert askd_bench.__version__ == version("askd-bench")
    with pytest.raises(AttributeError, match="no attribute 'ruin'"):
        askd_bench.ruin  # noqa: B018


@pytest.mark.parametrize("name", [name for name in sorted(askd_bench.__all__) if not name.startswith("__")])
def test_everything_explains_itself(name: str) -> None:
    assert inspect.getdoc(getattr(askd_bench, name))


@pytest.mark.parametrize(
    ("function", "kind"), [(askd_bench.run, RunOptions), (askd_bench.render, SpeechOptions), (askd_bench.load_model, ModelOptions)]
)
def test_options_are_seen_as_keyword_arguments(function: object, kind: type[RunOptions]) -> None:
    seen = inspect.signature(function).parameters  # type: ignore[arg-type]
    for name, parameter in inspect.signature(kind).parameters.items():
        assert seen[name].default == parameter.default
        assert f"{name}: " in str(inspect.getdoc(function))
