"""Packages of others: `plugins/` is installed as an installer does it, and used by name; what is broken is told in one line."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "plugins"
Groups = Mapping[str, Mapping[str, str]]


def install(folder: Path, name: str, groups: Groups) -> None:
    """Write a package's dist-info, which is all that an installer adds to its files."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = (f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items()) for group, points in groups.items())
    (info / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE / "askd_bench_example", folder / "askd_bench_example")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(folder, project["name"], project["entry-points"])
    return folder


def run(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "askd_bench.cli", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_example_names_one_of_each_kind() -> None:
    groups = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert {group.removeprefix("askd_bench.") for group in groups} == {"suites", "perturbations", "metrics", "runtimes", "corpora"}


def test_all_five_in_one_run(installed: Path, tmp_path: Path) -> None:
    """The suite brings the corpus and the perturbation along, by name; workers, which are processes of their own, find them too."""
    done = run(installed, "run", "--suite", "overdriven", "--model", "beep-counter:0.1", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "beep-counter-0.1" / "overdriven-v1" / "beeps"
    summary = json.loads((folder / "summary.json").read_text())
    wer = {name: one["metrics"]["wer"]["value"] for name, one in summary["conditions"].items()}
    assert wer["clean"] == 0, "six recordings of one to six beeps, all counted"
    assert wer["overdrive-10"] == 0
    assert wer["overdrive-10-white-0dB"] > 0, "noise is loud too"
    rates = {name: one["metrics"]["length_error_rate"] for name, one in summary["conditions"].items()}
    assert (rates["clean"]["value"], rates["clean"]["n"]) == (0, 6)
    assert rates["overdrive-10-white-0dB"]["value"] > 0
    rows = [json.loads(line) for line in (folder / "utterances.jsonl").read_text().splitlines()]
    assert {row["realised"]["drive"] for row in rows if row["condition"] == "overdrive-10"} == {10}
    verified = run(installed, "verify", str(folder), cwd=tmp_path)
    assert (verified.returncode, verified.stdout[:3]) == (0, "ok "), verified.stdout


def test_all_are_listed(installed: Path, tmp_path: Path) -> None:
    for what, shown in {
        "suites": ["overdriven", "Overdriven: a preamplifier turned up too far", "beeps"],
        "corpora": ["beeps", "package", "of askd-bench-example 1.0"],
        "metrics": ["length_error_rate", "share of utterances with more or fewer words"],
    }.items():
        done = run(installed, "list", what, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert all(words in done.stdout for words in shown), done.stdout
    near = run(installed, "run", "--suite", "overdrivn", cwd=tmp_path)
    assert "suite: 'overdrivn' is unknown; did you mean 'overdriven'?" in near.stderr


BROKEN: dict[str, tuple[Groups, list[str], str]] = {
    "a suite that cannot be imported": (
        {"askd_bench.suites": {"mine": "not_there:SUITE"}},
        ["run", "--suite", "mine"],
        "suites: 'mine' of broken 1.0 cannot be loaded: ModuleNotFoundError: No module named 'not_there'",
    ),
    "a suite that is no file": (
        {"askd_bench.suites": {"mine": "json:dumps"}},
        ["run", "--suite", "mine"],
        "suites: 'mine' of broken 1.0 is <function dumps at",
    ),
    "a perturbation that is none": (
        {"askd_bench.perturbations": {"mine": "json:dumps"}},
        ["validate", "mine.toml"],
        "(allowed: a class on askd_bench.perturbations.base.Perturbation)",
    ),
    "a metric that is none": (
        {"askd_bench.metrics": {"mine": "json:dumps"}},
        ["list", "metrics"],
        "metrics: 'mine' of broken 1.0 is <function dumps at",
    ),
    "a runtime that gives something else": (
        {"askd_bench.runtimes": {"mine": "operator:or_"}},
        ["run", "--model", "mine:x"],
        "runtimes: 'mine' of broken 1.0 failed: TypeError",
    ),
    "a corpus that gives something else": (
        {"askd_bench.corpora": {"mine": "builtins:dict"}},
        ["run", "--corpus", "mine"],
        "corpora: 'mine' of broken 1.0 gave 'dict' (allowed: a function without arguments that returns a Corpus)",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    groups, arguments, said = BROKEN[what]
    install(tmp_path / "site", "broken", groups)
    (tmp_path / "mine.toml").write_text(
        'name = "m"\nversion = 1\ntitle = "t"\ndescription = "d"\ncorpora = ["books"]\n[[conditions]]\nid = "clean"\n'
        'chain = [{ perturbation = "mine" }]\n'
    )
    done = run(tmp_path / "site", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    assert said in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "results").exists()


def test_a_broken_package_does_not_disturb_what_does_not_use_it(tmp_path: Path) -> None:
    install(tmp_path / "site", "broken", {f"askd_bench.{kind}": {"mine": "not_there:x"} for kind in ("suites", "perturbations", "corpora")})
    done = run(tmp_path / "site", "list", "suites", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "noisy" in done.stdout
    assert "cannot be loaded: ModuleNotFoundError" in done.stdout
    assert run(tmp_path / "site", "list", "corpora", cwd=tmp_path).returncode == 0


def test_one_name_in_two_packages(tmp_path: Path) -> None:
    for name in ("first", "second"):
        install(tmp_path / "site", name, {"askd_bench.corpora": {"mine": "not_there:x"}})
    done = run(tmp_path / "site", "run", "--corpus", "mine", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "corpora: 'mine' of first 1.0 and second 1.0 is in both (allowed: one of them installed)" in done.stderr
