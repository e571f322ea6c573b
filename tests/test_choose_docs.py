"""docs/CHOOSE.md: its commands exist, and what it quotes of packaged rows is what they say."""

import re
from pathlib import Path

import typer

from askd_bench import cli
from askd_bench.report.compare import compare
from askd_bench.report.winner import closing_lines

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "CHOOSE.md").read_text(encoding="utf-8")


def test_commands_have_the_options_they_are_shown_with() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    shown = re.findall(r"askd-bench (\w+)\b([^\n`]*)", TEXT.replace("\\\n", " "))
    assert {name for name, _ in shown} == {"run", "list", "compare", "report", "bench"}
    for name, rest in shown:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, rest


def test_the_decision_is_that_of_the_packaged_rows() -> None:
    [(student, teacher)] = re.findall(r"(?m)^    askd-bench compare (reference_results/\S+) (reference_results/\S+)$", TEXT)
    [line] = closing_lines(compare(ROOT / student, ROOT / teacher))
    assert f"    {line}\n" in TEXT


def test_the_files_it_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / "docs" / target).is_file(), target
