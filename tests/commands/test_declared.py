"""The command line is made of the fields of the options, and says of each what is written there."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from askd_bench import cli
from askd_bench.commands.declared import with_options
from askd_bench.errors import UserError
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


@pytest.fixture
def kept() -> tuple[typer.Typer, list[tuple[str, list[str], RunOptions]]]:
    """A command with the options of `run`, and what it is given."""
    given: list[tuple[str, list[str], RunOptions]] = []
    app = typer.Typer()

    @app.command()
    @with_options(RunOptions)
    def keep(suite: str = "noisy", model: list[str] = ["tiny"], *, options: RunOptions) -> None:  # noqa: B006
        given.append((suite, model, options))

    return app, given


def test_a_file_of_options_is_what_the_command_line_would_be(tmp_path: Path, kept: Any) -> None:
    app, given = kept
    file = tmp_path / "run.toml"
    file.write_text('suite = "calls"\nmodel = ["a", "b"]\ncorpus = ["books", "c.jsonl"]\nlimit = 3\nfull = true\nnoise_dir = "noise"\n')
    assert CliRunner().invoke(app, ["--config", str(file)]).exit_code == 0
    expected = {"corpus": ["books", "c.jsonl"], "limit": 3, "full": True, "noise_dir": "noise"}
    assert given == [("calls", ["a", "b"], RunOptions(**expected))]


def test_the_command_line_wins_wherever_it_stands(tmp_path: Path, kept: Any) -> None:
    app, given = kept
    file = tmp_path / "run.toml"
    file.write_text('suite = "calls"\ncorpus = ["books"]\nlimit = 3\nbatch_size = 2\n')
    line = f"--limit 5 --config {file} --corpus prompts --suite clean"
    assert CliRunner().invoke(app, line.split()).exit_code == 0
    assert given == [("clean", ["tiny"], RunOptions(corpus=["prompts"], limit=5, batch_size=2))]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("limitt = 3\n", "key: 'limitt' is unknown; did you mean 'limit'"),
        ("config = 'a.toml'\n", "key: 'config' is unknown"),
        ("limit =\n", "not valid TOML"),
        ("[run]\nlimit = 3\n", "run"),
        ("limit = -1\n", "limit: -1 is out of range"),
        ("dtype = 'float31'\n", "dtype: 'float31' is unknown"),
        (None, "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_file_of_options_is_a_line(tmp_path: Path, kept: Any, content: str | None, complaint: str) -> None:
    app, given = kept
    if content is not None:
        (tmp_path / "run.toml").write_text(content)
    done = CliRunner().invoke(app, ["--config", str(tmp_path / "run.toml")])
    assert isinstance(done.exception, UserError)
    assert complaint in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not given


def test_one_of_several_needs_no_list(tmp_path: Path, kept: Any) -> None:
    app, given = kept
    (tmp_path / "run.toml").write_text('corpus = "books"\nmodel = "base"\naudio_context = 64\ntrust_remote_code = false\n')
    assert CliRunner().invoke(app, ["--config", str(tmp_path / "run.toml")]).exit_code == 0
    assert given == [("noisy", ["base"], RunOptions(corpus=["books"], audio_context=64))]


@pytest.mark.parametrize("value", ["'many'", "3.7", "true", "[3]"])
def test_another_type_is_told_as_on_the_command_line(tmp_path: Path, kept: Any, value: str) -> None:
    app, _ = kept
    (tmp_path / "run.toml").write_text(f"limit = {value}\n")
    done = CliRunner().invoke(app, ["--config", str(tmp_path / "run.toml")])
    assert done.exit_code == 2
    assert "--limit" in done.output
