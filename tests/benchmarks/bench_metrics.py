"""Speed and memory of scoring: `OMP_NUM_THREADS=1 pytest tests/benchmarks/bench_metrics.py`, some minutes.

On a busy machine add `--benchmark-timer=time.process_time`: processor time instead of the clock's.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "metrics"))

from simulated import references, simulate

from askd_bench.metrics.bootstrap import Clusters
from askd_bench.metrics.comparison import compare
from askd_bench.metrics.scoring import score
from askd_bench.metrics.significance import paired_difference
from askd_bench.metrics.summary import summarise, summarise_scored
from askd_bench.text import NORMALISERS, normaliser
from askd_bench.types import Row

CONDITIONS = (("clean", 0.05), *((f"noise-{k}", 0.1 + 0.03 * k) for k in range(9)))


def rows(n: int, *, speakers: int = 0) -> Iterator[Row]:
    """n rows over ten conditions, on the bundled texts repeated as often as needed; without speakers every utterance is a cluster."""
    texts = references()
    return simulate([texts[i % len(texts)] for i in range(n // len(CONDITIONS))], CONDITIONS, speakers=speakers, dev_share=0.1)


def test_summary_of_100000_utterances(benchmark) -> None:
    """Every metric of a result directory, rows already parsed. Target: under 60 s on one undisturbed core."""
    made = list(rows(100_000))
    result = benchmark.pedantic(summarise, args=(made,), rounds=1, iterations=1)
    assert result["pooled"]["n_utterances"] == 90_000


def test_scoring_pass(benchmark) -> None:
    made = list(rows(5_000))
    assert len(benchmark.pedantic(score, args=(made,), rounds=3, iterations=1)) == 5_000


def test_figures_from_scored(benchmark) -> None:
    scored = score(rows(5_000))
    benchmark.pedantic(summarise_scored, args=(scored,), rounds=3, iterations=1)


def test_comparison(benchmark) -> None:
    student, teacher, control = list(rows(5_000)), list(rows(5_000)), list(rows(5_000))
    benchmark.pedantic(compare, args=(student, teacher, control), rounds=1, iterations=1)


def test_paired_difference_over_a_million_utterances(benchmark) -> None:
    """Target: 10,000 swaps under 10 s and 2 GB."""
    rng = np.random.default_rng(0)
    n = 1_000_000
    words = rng.integers(1, 40, n)
    a, b = rng.binomial(words, 0.10), rng.binomial(words, 0.11)
    clusters = Clusters(np.arange(n), n, "utterance")
    got = benchmark.pedantic(paired_difference, args=(a, b, words, clusters), rounds=3, iterations=1)
    assert got.difference.high < 0


@pytest.mark.parametrize("name", NORMALISERS)
def test_normaliser(benchmark, name: str) -> None:
    normalise = normaliser(name).__wrapped__  # type: ignore[attr-defined]  # without its memory of texts
    texts = references(300)
    benchmark(lambda: [normalise(text) for text in texts])


PEAK = """
import re, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import bench_metrics
def peak():  # of this process image; ru_maxrss would remember the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
bench_metrics.summarise(bench_metrics.rows({n}))
print(peak() - before)
"""


@pytest.mark.parametrize("n", [2_000, 20_000])
def test_peak_memory_of_a_streamed_summary(benchmark, n: int) -> None:
    """Megabytes above the imports, in a process of its own; kept beside the time."""
    here = Path(__file__).resolve().parent
    code = PEAK.format(paths=[str(here)], n=n)
    done = benchmark.pedantic(
        subprocess.run, args=([sys.executable, "-c", code],), kwargs={"capture_output": True, "text": True, "check": True}, rounds=1
    )
    benchmark.extra_info["peak_mb_above_imports"] = float(done.stdout)
