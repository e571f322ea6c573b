"""The last lines of a comparison follow from its verdict and from the scatter of its recordings."""

import re
from pathlib import Path

import pytest
from page_results import some_rows, student, write_result
from typer.testing import CliRunner

from askd_bench import cli
from askd_bench.errors import UserError
from askd_bench.metrics.comparison import Comparison
from askd_bench.metrics.power import recordings_needed
from askd_bench.report.compare import compare
from askd_bench.report.winner import closing_lines

FEW = some_rows(16, ("clean", "babble-10dB"))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Students that mishear many words, and a tenth of them in two ways; four clips."""
    folder = tmp_path_factory.mktemp("results")
    rates = {"bad": 0.9, "one": 0.1, "other": 0.1}
    made = {name: write_result(folder, name, FEW, student(name, error_rate=rate)) for name, rate in rates.items()}
    return made | {"alone": write_result(folder, "alone", some_rows(5, ("clean",)), student("alone", error_rate=0.5))}


@pytest.fixture(scope="module")
def alike(results: dict[str, Path]) -> Comparison:
    return compare(results["one"], results["other"])


def test_the_winner_is_the_one_with_fewer_capped_errors(results: dict[str, Path]) -> None:
    for student_, teacher, line in (("one", "bad", "The student makes fewer"), ("bad", "one", "The teacher makes fewer")):
        compared = compare(results[student_], results[teacher])
        [told] = closing_lines(compared)
        assert told.startswith(line)
        points = 100 * abs(compared.pooled.versus_teacher.capped.difference.value)
        assert f"{points:.1f} points of capped WER, p " in told


def test_no_winner_yet_says_how_many_recordings_would_show_one(alike: Comparison) -> None:
    [told] = closing_lines(alike)
    paired = alike.pooled.versus_teacher.capped
    needed = recordings_needed(paired, alike.pooled.recordings, paired.difference.value)
    [shown] = re.findall(r"about ([\d,]+) recordings", told)
    assert needed <= int(shown.replace(",", "")) <= 1.1 * needed
    assert needed > alike.pooled.recordings, "or there would be a winner"
    assert f"these {alike.pooled.recordings} show {100 * paired.detectable:.1f} or more" in told


def test_each_recording_counts_once_whatever_its_renderings(alike: Comparison) -> None:
    assert alike.pooled.utterances == 2 * alike.pooled.recordings
    assert all(one.recordings == one.utterances == alike.pooled.recordings for one in alike.conditions)


def test_equals_and_too_few_clips_have_no_winner(results: dict[str, Path]) -> None:
    assert "as many capped errors on each of these 14 recordings" in closing_lines(compare(results["one"], results["one"]))[0]
    [winner, power] = closing_lines(compare(results["alone"], results["one"]), power=1)
    assert winner.startswith("No winner yet between student and teacher: ")
    assert "in all unknown (no interval: fewer than 5 clusters)" in power


def test_a_control_has_lines_of_its_own(results: dict[str, Path]) -> None:
    told = closing_lines(compare(results["one"], results["other"], control=results["bad"]), power=5)
    assert len(told) == 4
    assert "than the control" in told[1]
    assert "between student and control" in told[3]


def test_half_the_difference_takes_four_times_as_many(alike: Comparison) -> None:
    paired = alike.pooled.versus_teacher.capped
    for power in (0.5, 1, 2.25):
        told = closing_lines(alike, power=power)[1]
        assert f"show {power:g} point{'' if power == 1 else 's'} of capped WER" in told
        shown = [int(one.replace(",", "")) for one in re.findall(r"about ([\d,]+)", told)]
        assert len(shown) == 1 + len(alike.conditions)
        exact = alike.pooled.recordings * (100 * paired.detectable / power) ** 2
        assert exact <= shown[0] <= 1.1 * exact + 1


@pytest.mark.parametrize("power", [0.0, -1.0, 101.0, float("nan")])
def test_differences_that_cannot_be_are_refused(alike: Comparison, power: float) -> None:
    with pytest.raises(UserError, match=r"power: .* is out of range"):
        closing_lines(alike, power=power)


def test_the_command_ends_with_them(results: dict[str, Path]) -> None:
    command = ["compare", str(results["one"]), str(results["other"])]
    lines = closing_lines(compare(results["one"], results["other"]), power=1)
    for options, last in (([], lines[:1]), (["--power", "1"], lines)):
        shown = CliRunner().invoke(cli.app, [*command, *options])
        assert shown.exit_code == 0
        assert " ".join(shown.output.split()).endswith(" ".join(last))
