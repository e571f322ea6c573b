"""What reads results that are there, and needs no model: `score`, `compare`."""

from typing import Literal, overload

from askd_bench.api.results import Comparison, RunResult
from askd_bench.arguments import StrPath, path_of
from askd_bench.report import compare as comparing
from askd_bench.report import score as scoring
from askd_bench.results import Result
from askd_bench.text import DEFAULT_NORMALISER


@overload
def score(result_dir: StrPath, normalizer: Literal["all"]) -> dict[str, RunResult]: ...  # type: ignore[overload-overlap]  # no other text is "all"
@overload
def score(result_dir: StrPath, normalizer: str = ...) -> RunResult: ...
def score(result_dir: StrPath, normalizer: str = DEFAULT_NORMALISER) -> RunResult | dict[str, RunResult]:
    """Compute a result's figures again from its rows, and store them; no model is needed.

    Args:
        result_dir: of `run`.
        normalizer: of the texts; with "all", each in turn, and nothing is stored.

    Returns:
        the result; for "all", normaliser -> result.

    Raises:
        UserError: no result directory, or an unknown normaliser.
    """
    summary = scoring.score(result_dir, normalizer)
    result = Result(path_of("result_dir", result_dir))
    if normalizer == scoring.ALL:
        return {name: RunResult.of(result, one) for name, one in summary.items()}
    return RunResult.of(result, summary)


def compare(student: StrPath, teacher: StrPath, *, control: StrPath | None = None, normalizer: str = DEFAULT_NORMALISER) -> Comparison:
    """Compare a student with its teacher on the same audio: errors, inherited errors, blind spots handed down, mended and new.

    Args:
        student, teacher: result directories of `run`, of the same suite and corpus.
        control: of a student trained on the truth alone, without the teacher.
        normalizer: of the texts.

    Raises:
        UserError: the results are not comparable, with what differs.
    """
    return Comparison.of(comparing.compare(student, teacher, control=control, normalizer=normalizer))
