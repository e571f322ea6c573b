"""Runs `askd-bench` in processes forked from one that has imported everything: each call is a process of its own, without its imports."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SERVER = """
import json, os, sys, traceback
import askd_bench.cli, askd_bench.evaluation.run, askd_bench.report.headline, askd_bench.report.reference_models, askd_bench.report.score
import transformers.models.bert.configuration_bert, stub_transcriber, rich.progress

for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(job["cwd"])
            for stream, file in ((1, job["out"]), (2, job["err"])):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            if job["stub"]:
                askd_bench.evaluation.run.load_transcriber = stub_transcriber.load_stub
            sys.argv = ["askd-bench", *job["argv"]]
            askd_bench.cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


TORCH = {"torch", "transformers"}
SLOW = TORCH | {"scipy.signal", "scipy.fft", "scipy.ndimage", "scipy.stats", "av", "pandas", "matplotlib", "datasets", "pyroomacoustics"}


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class RealRun:
    """A run of the bundled checkpoint: where, how, what it printed, and the result directory."""

    folder: Path
    arguments: list[str]
    done: Finished
    result: Path


class CommandLine:
    """Use as a context manager; `stub` runs have a stub in place of the recogniser."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        environment = {
            **os.environ,
            "COLUMNS": "220",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parent),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()

    def __call__(self, *arguments: object, cwd: Path, stub: bool = False) -> Finished:
        assert self._server.stdin
        assert self._server.stdout
        out, err = self._folder / "out", self._folder / "err"
        job = {"argv": [str(one) for one in arguments], "cwd": str(cwd), "out": str(out), "err": str(err), "stub": stub}
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return Finished(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def check_refused(done: Finished, *said: str) -> None:
    assert done.code == 2, done
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    for words in said:
        assert words in done.err, done.err


def everything(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def without(modules: set[str], *arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own, which says at the end which of the modules were loaded."""
    script = (
        "import sys; sys.argv = ['askd-bench', *sys.argv[1:]]\n"
        "from askd_bench.cli import main\n"
        "try: main()\n"
        f"finally: print('LOADED', sorted({modules} & set(sys.modules)))"
    )
    environment = {**os.environ, "COLUMNS": "220", **more}
    return subprocess.run([sys.executable, "-c", script, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, env=environment)
