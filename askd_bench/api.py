"""The commands as functions, with the same names and defaults; the command line only parses and prints."""

from pathlib import Path
from typing import get_args

from askd_bench.errors import unknown_name
from askd_bench.evaluation.merge import merge
from askd_bench.evaluation.rendered_audio import render
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.evaluation.speed import bench
from askd_bench.evaluation.timings import Benchmark
from askd_bench.evaluation.verify import verify
from askd_bench.metrics.groups import GroupTable
from askd_bench.report.compare import compare
from askd_bench.report.export import export
from askd_bench.report.groups import By, group_tables
from askd_bench.report.leaderboard.files import leaderboard
from askd_bench.report.listings import LISTINGS, Records, conditions
from askd_bench.report.page.build import report
from askd_bench.report.score import score
from askd_bench.results import Result
from askd_bench.suites import Suite, load_suite
from askd_bench.text import DEFAULT_NORMALISER

__all__ = [
    "Benchmark",
    "CorpusResult",
    "bench",
    "compare",
    "export",
    "groups",
    "leaderboard",
    "list_",
    "merge",
    "render",
    "report",
    "run",
    "score",
    "validate",
    "verify",
]


def list_(what: str, suite: str = "noisy") -> Records:
    """List "suites", "conditions" (of `suite`), "corpora", "models" or "metrics".

    Raises:
        UserError: anything else.
    """
    if what == "conditions":
        return conditions(suite)
    if what not in LISTINGS:
        raise unknown_name("what", what, [*LISTINGS, "conditions"])
    return LISTINGS[what]()


def validate(suite: Path) -> Suite:
    """Read a suite, checking every key, value and condition.

    Raises:
        UserError: what is wrong, in one line.
    """
    return load_suite(suite)


def groups(result_dir: Path, by: By = "group", normalizer: str = DEFAULT_NORMALISER) -> dict[str, GroupTable]:
    """Return condition -> error rates by group of speakers ("group"), or by "speaker".

    Raises:
        UserError: no result directory, or an unknown `by` or normaliser.
    """
    if by not in get_args(By):
        raise unknown_name("by", by, get_args(By))
    return group_tables(Result.open(result_dir), normalizer, by)
