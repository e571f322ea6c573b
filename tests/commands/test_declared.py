"""The command line is made of the fields of the options, and says of each what is written there."""

import dataclasses
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from askd_bench import cli
from askd_bench.commands.declared import with_options
from askd_bench.options import ModelOptions, Options, RunOptions, SpeechOptions, about

GROUP: Any = typer.main.get_command(cli.app)
OPTIONS = {"run": RunOptions, "render": SpeechOptions, "bench": ModelOptions}


@pytest.mark.parametrize("command", OPTIONS)
def test_every_field_is_an_option_with_its_default(command: str) -> None:
    declared = {one.name: one for one in GROUP.commands[command].params}
    for field in dataclasses.fields(OPTIONS[command]):
        option = declared[field.name]
        assert option.opts == [f"--{field.name.replace('_', '-')}"]
        assert option.secondary_opts == [], "a flag has no opposite"
        assert option.default == field.default


def test_what_is_parsed_is_what_python_would_give() -> None:
    given: list[SpeechOptions] = []
    app = typer.Typer()

    @app.command()
    @with_options(SpeechOptions)
    def keep(*, options: SpeechOptions) -> None:
        given.append(options)

    line = "--corpus books --corpus b.jsonl --full --limit 3 --noise-dir noise --workers 0"
    assert CliRunner().invoke(app, line.split()).exit_code == 0
    assert given == [SpeechOptions(corpus=["books", "b.jsonl"], full=True, limit=3, noise_dir="noise", workers=0)]


@pytest.mark.parametrize("command", GROUP.commands)
def test_help_says_all_that_is_written(command: str) -> None:
    """Brackets too, which a terminal's markup would swallow."""
    shown = " ".join(CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(cli.app, [command, "-h"]).output.split())
    plain = "".join(character for character in shown if character not in "│ ")
    for parameter in GROUP.commands[command].params:
        for line in (parameter.help or "").replace("\\[", "[").split(" "):
            assert line in plain, (command, parameter.name)
    for field in dataclasses.fields(OPTIONS.get(command, Options)):
        assert about(field).help.replace(" ", "") in plain, field.name


def test_version() -> None:
    from importlib.metadata import version

    assert CliRunner().invoke(cli.app, ["--version"]).output == f"askd-bench {version('askd-bench')}\n"
