"""Memory stays flat: a run of 2,000 utterances peaks within 100 MB of one of 200. Run with `pytest tests/benchmarks/bench_memory.py -s`."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from askd_bench.corpora import open_corpus

ALLOWED_MB = 100
FEW, MANY = 200, 2_000
_MB = 1024 * 1024

_RUN = """
if __name__ == "__main__":  # workers import this file again, and must not load what the main process does
    import resource, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from stub_transcriber import load_stub
    import askd_bench.evaluation.run as module

    module.load_transcriber = load_stub
    module.run(
        "noisy", "stub", corpus=[{manifest!r}], output=Path({output!r}), conditions=["clean", "babble-0dB"], limit=0, workers=1
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def write_manifest(folder: Path, count: int) -> Path:
    speech = [u for name in ("prompts", "dialogue") for u in open_corpus(name) if (u.duration_s or 9) < 3]
    file = folder / f"{count}.jsonl"
    records = [
        {"id": f"u{i:05d}", "audio_filepath": str(u.audio), "text": u.reference, "duration": u.duration_s, "speaker": f"s{i % 40}"}
        for i, u in zip(range(count), itertools.cycle(speech), strict=False)
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file


def peak_mb(folder: Path, count: int) -> dict[str, float]:
    """Return peaks of a run in MB: of the main process and of the largest worker (as the kernel counts), and of all together (sampled)."""
    script = folder / f"run_{count}.py"
    tests = str(Path(__file__).parents[1])
    script.write_text(_RUN.format(tests=tests, manifest=str(write_manifest(folder, count)), output=str(folder / str(count))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    peak, start = 0, time.perf_counter()
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.1)
        assert process.stdout
        printed = process.stdout.read()
    assert process.returncode == 0
    main, worker = map(int, printed.split())
    return {"main": main / 1024, "worker": worker / 1024, "together": peak / _MB, "seconds": time.perf_counter() - start}


def resident(pid: int) -> int:
    total = 0
    try:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def test_memory_is_flat(tmp_path: Path) -> None:
    few, many = peak_mb(tmp_path, FEW), peak_mb(tmp_path, MANY)
    for name in few:
        print(f"{name}: {few[name]:.0f} with {FEW} utterances, {many[name]:.0f} with {MANY}")
    for name in ("main", "worker", "together"):
        assert many[name] - few[name] < ALLOWED_MB, name
