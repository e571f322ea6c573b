"""`askd-train` as a person meets it."""

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from askd_trainers import cli


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["askd-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    captured = capsys.readouterr()
    return caught.value.code or 0, captured.out, captured.err


def test_importing_the_command_line_imports_no_torch():
    code = "import sys, askd_trainers.cli; print([m for m in ('torch', 'transformers', 'matplotlib', 'datasets') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_recipes_are_listed(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "recipes")
    assert code == 0
    assert "kd-label-smoothing" in out
    assert "_base" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "ksd"), "recipe: 'ksd' is unknown; did you mean 'kd'?"),
        (("run", "kd", "--set", "objective.tau=2"), "objective.tau"),
        (("run", "kd", "--threads", "0"), "threads: 0 is out of range"),
        (("run", "kd", "--set", "data.train=nowhere.jsonl", "--dry-run"), "nowhere.jsonl does not exist"),
        (("study", "nowhere.toml"), "study: nowhere.toml cannot be read"),
        (("init-student", "/nowhere", "out"), "checkpoint: '/nowhere' cannot be read"),
        (("run",), "recipe"),
    ],
)
def test_bad_input_is_one_line_and_code_2(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_dry_run_prints_the_plan_and_trains_nothing(monkeypatch, capsys, tmp_path, tiny_teacher, speech, held_out):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("askd_trainers.cli.out", Console(width=200))  # whatever width the console took when the module was imported
    changes = (f"teacher='{tiny_teacher}'", f"data.train='{speech}'", f"data.validation='{held_out}'", "data.validation_split='test'")
    more = ("data.guard_suites=[]", "optimisation.batch_size=4", "optimisation.steps=50")
    code, out, _ = run(monkeypatch, capsys, "run", "askd", "--dry-run", *(part for c in (*changes, *more) for part in ("--set", c)))
    assert code == 0
    assert "50 (25)" in out
    assert "12 clips" in out or "24 clips" in out or "Encoder states to compute first" in out
    assert not (tmp_path / "runs").exists()


def test_student_is_made_from_the_command_line(monkeypatch, capsys, tmp_path):
    code, out, _ = run(monkeypatch, capsys, "init-student", "whisper-tiny.en", tmp_path / "s", "--decoder-layers", "1", "--shared-weights")
    assert code == 0
    assert "the rest of its weights are the teacher's file" in out
    assert json.loads((tmp_path / "s" / "config.json").read_text())["decoder_layers"] == 1
    code, out, _ = run(monkeypatch, capsys, "export", tmp_path / "s", tmp_path / "alone")
    assert code == 0
    assert [file.name for file in (tmp_path / "alone").glob("*.safetensors*")] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("command", "defaults"),
    [
        ("run", ("[default: all cores]", "[default: runs/<arm>-s<seed>]")),
        ("init-student", ("[default: 2]", "[default: all]", "[default: the teacher's]")),
        ("pseudo-label", ("--threads", "[default: all cores]")),
        ("join", ("[default: 10.0]", "[default: 0.1, 0.6]")),
    ],
)
def test_help_shows_defaults(command, defaults):
    result = subprocess.run(
        [sys.executable, "-m", "askd_trainers.cli", command, "--help"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"}
    )
    shown = result.stdout.replace("(", "").replace(")", "")
    assert all(default in shown for default in defaults), result.stdout


def test_full_disk_is_one_line(monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "x.bin")

    monkeypatch.setattr(cli, "app", full)
    code, _, err = run(monkeypatch, capsys, "recipes")
    assert (code, err) == (2, "error: x.bin: No space left on device\n")
