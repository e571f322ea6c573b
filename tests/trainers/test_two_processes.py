"""Two processes that share the batch give what one process gives (gloo, CPU)."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file


@pytest.mark.parametrize("arm", ["askd"])
def test_two_processes_equal_one(tmp_path, tiny_teacher, speech, held_out, own_cache, arm):
    changes = (
        f"teacher='{tiny_teacher}'", f"data.train='{speech}'", f"data.validation='{held_out}'", "data.validation_split='test'",
        "data.guard_suites=[]", "data.max_validation_utterances=3", "optimisation.steps=4", "optimisation.batch_size=4",
        "optimisation.warmup_steps=0", "optimisation.precision=float32", "objective.teacher.schedule=adaptive",
        "runtime.log_steps=1", "runtime.save_steps=4", "runtime.trackers=[]",
    )  # fmt: skip
    for processes in (1, 2):
        launch = [
            "-m",
            "accelerate.commands.launch",
            "--multi_gpu",
            "--num_processes",
            "2",
            "--num_machines",
            "1",
            "--mixed_precision",
            "no",
        ]
        launch += ["--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"]
        command = ["-m", "askd_trainers.cli", "run", arm, "--threads", "1", "--output", str(tmp_path / str(processes))]
        command += [part for change in changes for part in ("--set", change)]
        whole = [sys.executable, *(launch if processes == 2 else []), *command]
        done = subprocess.run(whole, capture_output=True, text=True, env=os.environ | {"ASKD_CACHE": str(own_cache), "HF_HUB_OFFLINE": "1"})
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (load_file(tmp_path / str(n) / "checkpoint-4" / "model.safetensors") for n in (1, 2))
    start = load_file(tiny_teacher / "model.safetensors")
    changed = 0
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-5, msg=name)
        changed += not torch.equal(tensor, start[name])
    assert changed > 10
    environments = [(tmp_path / str(n) / "environment.json").read_text() for n in (1, 2)]
    assert '"processes": 1' in environments[0]
    assert '"processes": 2' in environments[1]
