"""Whoever runs the printed commands hears at least what the anchor heard."""

import shlex
from collections import defaultdict
from pathlib import Path

import typer
from leaderboard_results import ANCHOR, Line, few, write_result

from askd_bench.cli import app
from askd_bench.evaluation.inputs import resolve_inputs
from askd_bench.options import SpeechOptions
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.leaderboard.boards import read_boards
from askd_bench.report.leaderboard.commands import commands
from askd_bench.report.leaderboard.frame import Leaderboard, leaderboard_of
from askd_bench.results import Result, find_results
from askd_bench.suites import load_suite


def options_of(command: str) -> dict[str, list[str]]:
    words = shlex.split(command)
    assert words[:2] == ["askd-bench", "run"]
    options: defaultdict[str, list[str]] = defaultdict(list)
    for word in words[2:]:
        if word.startswith("--"):
            options[last := word.removeprefix("--")]
        else:
            options[last].append(word)
    return dict(options)


def hears(command: str) -> set[tuple[str, str, str]]:
    """Return the (corpus, condition, utterance) that a run of the command reports."""
    options = options_of(command)
    speech = SpeechOptions(
        corpus=options.get("corpus"),
        conditions=options.get("conditions"),
        full="full" in options,
        limit=int(options["limit"][0]) if "limit" in options else None,
    )
    inputs = resolve_inputs(options["suite"][0], speech)
    return {
        (one.reported.name, condition.id, utterance.id)
        for one in inputs.corpora
        for utterance in one.reported.metadata()
        for condition in inputs.conditions
    }


def heard(path: Path) -> set[tuple[str, str, str]]:
    return {(path.name, row.condition, row.utterance) for row in Result.open(path).rows() if row.split == "test"}


def test_the_packaged_results_can_be_heard_by_others() -> None:
    """The default model's own rows, all of them, suite by suite."""
    [*results] = (result for result in find_results(REFERENCE_RESULTS_DIR) if result.path.parents[1].name == ANCHOR)
    boards = tuple(read_boards(results))
    printed = commands(Leaderboard(anchor=ANCHOR, boards=boards, overall=None, frame=None, models={}, speeds={}, published=()))  # type: ignore[arg-type]
    assert len(printed) == len({board.suite for board in boards})
    everything = {(options_of(one)["suite"][0], *key) for one in printed for key in hears(one)}
    for board in boards:
        assert {(load_suite(board.suite.rpartition("-v")[0]).name, *key) for key in heard(board.results[ANCHOR].path)} <= everything


def test_the_options_are_those_of_run() -> None:
    [run] = [command for name, command in typer.main.get_command(app).commands.items() if name == "run"]  # type: ignore[attr-defined]
    known = {option for parameter in run.params for option in parameter.opts}
    assert {"--suite", "--corpus", "--conditions", "--full", "--limit", "--model", "--dtype", "--output"} <= known


def test_a_selection_of_ones_own_names_its_conditions(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(10))
    [command] = commands(leaderboard_of(tmp_path))
    assert command == (
        "askd-bench run --suite noisy --corpus prompts --conditions white-0dB --conditions speech-shaped-0dB --model MODEL --dtype float32 "
        "--output reference_results"
    )


def default_grid(row: Line) -> Line | None:
    return row if row["split"] == "test" and row["condition"] in {one.id for one in load_suite("noisy").select()} else None


def test_the_default_grid_needs_no_conditions(tmp_path: Path) -> None:
    path = write_result(tmp_path, ANCHOR, default_grid)
    [command] = commands(leaderboard_of(tmp_path))
    assert options_of(command).keys() == {"suite", "corpus", "model", "dtype", "output"}
    assert heard(path) <= hears(command)


def test_suites_of_ones_own_are_left_out(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(3), suite="mine-v1")
    write_result(tmp_path, ANCHOR, few(3), suite="noisy-v7")
    assert commands(leaderboard_of(tmp_path)) == []


def test_the_commands_of_the_guide_are_commands() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "SUBMITTING.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in guide.splitlines() if line.startswith("    askd-bench ")]
    group = typer.main.get_command(app)
    for line in lines:
        _, name, *arguments = shlex.split(line)
        group.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]  # refuses unknown options and values
    assert {shlex.split(line)[1] for line in lines} == {"run", "verify", "leaderboard"}
