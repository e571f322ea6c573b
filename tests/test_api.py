"""Every command is a function too."""

import inspect
from pathlib import Path

import pytest
import typer

from askd_bench import api, cli
from askd_bench.commands import evaluating, reading
from askd_bench.errors import UserError

COMMANDS = {
    "run": evaluating.run,
    "list_": reading.list_,
    "validate": reading.validate,
    "score": reading.score,
    "compare": reading.compare,
    "groups": reading.groups,
    "render": evaluating.render,
    "merge": evaluating.merge,
    "export": reading.export,
    "report": reading.report,
    "leaderboard": reading.leaderboard,
    "verify": evaluating.verify,
    "bench": evaluating.bench,
}
SPELLED = {"out_": "out", "as_json": "json"}


def test_every_command_is_a_function_and_every_function_a_command() -> None:
    group = typer.main.get_command(cli.app)
    commands = set(group.commands)  # type: ignore[attr-defined]
    functions = {name.rstrip("_") for name in api.__all__ if inspect.isfunction(getattr(api, name))}
    assert commands == functions
    assert {name.rstrip("_") for name in COMMANDS} == commands, "a new command belongs into the table above"


def test_options_are_the_parameters() -> None:
    group = typer.main.get_command(cli.app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                option = f"--{SPELLED.get(parameter.name, parameter.name).replace('_', '-')}"
                assert option in parameter.opts, f"{name}: {parameter.name} is {parameter.opts}"
                assert parameter.help, f"{name} {option} has no help"


@pytest.mark.parametrize("what", ["suites", "conditions", "corpora", "models", "metrics"])
def test_listings(what: str) -> None:
    records = api.list_(what)
    assert len(records) >= 1
    assert all(set(record) == set(records[0]) for record in records)
    assert all(isinstance(value, str) for record in records for value in record.values())


def test_listings_name_what_can_be_run() -> None:
    assert "noisy" in {record["suite"] for record in api.list_("suites")}
    assert "whisper-tiny.en" in {record["model"] for record in api.list_("models")}
    assert {"dialogue", "prompts", "librispeech-clean"} <= {record["corpus"] for record in api.list_("corpora")}
    assert "wer" in {record["metric"] for record in api.list_("metrics")}
    conditions = {record["condition"]: record for record in api.list_("conditions", "noisy")}
    assert "snr_db=10" in conditions["babble-10dB"]["perturbations"]
    with pytest.raises(UserError, match=r"what: 'suits' is unknown; did you mean 'suites'\?"):
        api.list_("suits")


def test_validate_returns_the_suite(tmp_path: Path) -> None:
    file = tmp_path / "one.toml"
    file.write_text('name="one"\nversion=3\ntitle="One"\ndescription="d"\ncorpora=["books"]\n[[conditions]]\nid="clean"\n')
    assert api.validate(file).label == "one-v3"
