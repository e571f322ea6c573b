"""Two processes that share the batch give what one process gives (gloo, CPU)."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file


@pytest.fixture
def trained(tmp_path, tiny_teacher, speech, held_out, own_cache):
    """Return a function: a command and changes, trained in one process and in two -> both runs' last weights."""

    def run(command: list[str], *changes: str) -> list[dict[str, torch.Tensor]]:
        common = (
            f"teacher='{tiny_teacher}'", f"data.train='{speech}'", f"data.validation='{held_out}'", "data.validation_split='test'",
            "data.guard_suites=[]", "data.max_validation_utterances=3", "optimisation.steps=4", "optimisation.batch_size=4",
            "optimisation.warmup_steps=0", "optimisation.precision=float32", "runtime.log_steps=1", "runtime.save_steps=4",
            "runtime.trackers=[]",
        )  # fmt: skip
        launch = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
        for processes in (1, 2):
            whole = [sys.executable, *(f"{launch} --num_cpu_threads_per_process 1".split() if processes == 2 else [])]
            whole += ["-m", "askd_trainers.cli", *command, "--threads", "1", "--output", str(tmp_path / str(processes))]
            whole += [part for change in (*common, *changes) for part in ("--set", change)]
            environment = os.environ | {"ASKD_CACHE": str(own_cache), "HF_HUB_OFFLINE": "1"}
            done = subprocess.run(whole, capture_output=True, text=True, env=environment)
            assert done.returncode == 0, done.stderr[-2000:]
            assert f'"processes": {processes}' in (tmp_path / str(processes) / "environment.json").read_text()
        return [load_file(tmp_path / str(n) / "checkpoint-4" / "model.safetensors") for n in (1, 2)]

    return run


def alike(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-5, msg=name)


def test_two_processes_equal_one(trained, tiny_teacher):
    one, two = trained(["run", "askd"], "objective.teacher.schedule=adaptive")
    alike(one, two)
    start = load_file(tiny_teacher / "model.safetensors")
    assert sum(not torch.equal(tensor, start[name]) for name, tensor in one.items()) > 10


def test_two_processes_align_as_one_does(trained, tiny_teacher, tmp_path):
    recipe = tmp_path / "align.toml"
    recipe.write_text('arm = "encoder"\n[student]\nencoder_layers = 1\ndecoder_layers = 1\n')
    one, two = trained(["align-encoder", str(recipe)])
    alike(one, two)
    name = "model.encoder.layers.0.fc1.weight"
    assert not torch.equal(one[name], load_file(tiny_teacher / "model.safetensors")[name.replace("layers.0", "layers.1")])
