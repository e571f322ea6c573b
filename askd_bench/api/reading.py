"""Commands that only read: what there is, and results."""

from pathlib import Path
from typing import get_args

from askd_bench.arguments import StrPath, one_of, path_of
from askd_bench.metrics.groups import GroupTable
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.groups import By, group_tables
from askd_bench.report.leaderboard.files import leaderboard as write_leaderboard
from askd_bench.report.listings import LISTINGS, Records, conditions
from askd_bench.results import Result
from askd_bench.suites import Suite, load_suite
from askd_bench.text import DEFAULT_NORMALISER


def list_(what: str, suite: StrPath = "noisy") -> Records:
    """List "suites", "conditions" (of `suite`), "corpora", "models" or "metrics".

    Raises:
        UserError: anything else.
    """
    one_of("what", what, [*LISTINGS, "conditions"])
    return conditions(suite) if what == "conditions" else LISTINGS[what]()


def validate(suite: StrPath) -> Suite:
    """Read a suite, checking every key, value and condition.

    Raises:
        UserError: what is wrong, in one line.
    """
    return load_suite(suite)


def groups(result_dir: StrPath, by: By = "group", normalizer: str = DEFAULT_NORMALISER) -> dict[str, GroupTable]:
    """Return condition -> error rates by group of speakers ("group"), or by "speaker".

    Raises:
        UserError: no result directory, or an unknown `by` or normaliser.
    """
    one_of("by", by, get_args(By))
    return group_tables(Result.open(path_of("result_dir", result_dir)), normalizer, by)


def leaderboard(results: StrPath = REFERENCE_RESULTS_DIR) -> list[Path]:
    """Write LEADERBOARD.md, leaderboard.csv, leaderboard.tex and index.html from the rows of all results of a folder.

    Returns:
        the files.

    Raises:
        UserError: no results are there, or a file cannot be written.
    """
    return write_leaderboard(path_of("results", results))
