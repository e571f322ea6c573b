"""docs/MEASUREMENTS.md computes what it says beside docs/SCALE.md, and the commands of both pages exist."""

import importlib.util
import re
from pathlib import Path

import typer

from askd_bench import cli

ROOT = Path(__file__).resolve().parent.parent


def test_the_arithmetic_follows_from_what_was_measured_and_assumed() -> None:
    spec = importlib.util.spec_from_file_location("build_measurements", ROOT / "tools" / "build_measurements.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.DOC.read_text(encoding="utf-8")
    assert tool.built(text) == text, "run python tools/build_measurements.py"


def test_commands_have_the_options_they_are_shown_with() -> None:
    pages = (ROOT / "docs" / name for name in ("SCALE.md", "MEASUREMENTS.md"))
    text = "".join(page.read_text(encoding="utf-8") for page in pages).replace("\\\n", " ")
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    shown = re.findall(r"askd-bench (run|merge|score)\b([^\n`#]*)", text)
    assert {name for name, _ in shown} == {"run", "merge", "score"}
    assert len(shown) > 5
    for name, rest in shown:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, rest
