"""What a reviewer of a new result directory wants to know: where it stands, and from which models it can be told apart."""

from collections.abc import Sequence
from pathlib import Path

from askd_bench.errors import UserError
from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.loop_free import WER_CAPPED_DIFFERENCE
from askd_bench.metrics.ranking import pairwise_p
from askd_bench.metrics.significance import ALPHA, paired_difference
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.leaderboard.boards import Board
from askd_bench.report.leaderboard.document import Section, markdown
from askd_bench.report.leaderboard.frame import ALL_CORPORA, OVERALL, Leaderboard, leaderboard_of
from askd_bench.report.leaderboard.layout import board_section
from askd_bench.report.leaderboard.pools import pool
from askd_bench.results import Result
from askd_bench.tables.format import cell, column, estimate_cell
from askd_bench.tables.model import Cell, Column, Table

NEIGHBOURS = 3
"""How many models above and below are shown; its teacher and control always are."""

_P = METRICS["p_holm"]
_SAID = {"better": "Better than", "worse": "Worse than", "cannot be told apart": "Cannot be told apart from"}


def comment(result_dirs: Sequence[Path], results: Path = REFERENCE_RESULTS_DIR) -> str:
    """Return Markdown for a pull request that adds results: each one's table beside its neighbours', and paired comparisons with them.

    Args:
        result_dirs: the new ones, inside `results`.
        results: the folder of all results.

    Raises:
        UserError: a directory is no result inside `results`, or has no test speech; a malformed file.
    """
    new = [Result.open(path).path.resolve() for path in result_dirs]
    for path, given in zip(new, result_dirs, strict=True):
        if path.parent.parent.parent != results.resolve():
            raise UserError(
                f"comment_for: {str(given)!r} is not in {str(results)!r} (allowed: one of its <model>/<suite>-v<version>/<corpus>/)"
            )
    leaderboard = leaderboard_of(results)
    sections = [_overall(leaderboard, model) for model in dict.fromkeys(path.parent.parent.name for path in new)]
    for path in new:
        found = next(
            ((board, name) for board in leaderboard.boards for name, one in board.results.items() if one.path.resolve() == path), None
        )
        if found is None:
            raise UserError(f"comment_for: {str(path)!r} has no rows of test speech (allowed: results of split test)")
        sections += _beside(leaderboard, *found)
    return markdown("New results", (), sections)


def _overall(leaderboard: Leaderboard, model: str) -> Section:
    pooled = leaderboard.overall
    if pooled is not None and model in pooled.models:
        frame = leaderboard.frame
        [record] = frame[(frame["suite"] == OVERALL) & (frame["corpus"] == ALL_CORPORA) & (frame["model"] == model)].to_dict("records")
        note = f"Overall rank {_rank(record)} of {len(pooled.models)}, on everything that {leaderboard.anchor} heard."
    else:
        lacking = [f"{board.suite}/{board.corpus}" for board in (pooled.boards if pooled else ()) if model not in board.results]
        note = f"No overall rank: nothing on the audio that {leaderboard.anchor} heard of {', '.join(lacking) or 'any speech'}."
    return Section(title=model, notes=(note,))


def _beside(leaderboard: Leaderboard, board: Board, model: str) -> list[Section]:
    """Return a section with the neighbours' figures, and one with the comparisons where there are any to make."""
    section = board_section(leaderboard, board)
    assert section.table is not None
    order = [row[0].text for row in section.table.rows]
    if len(order) == 1:
        return [board_section(leaderboard, board), Section(title="Comparisons", level=3, notes=(_alone(leaderboard, board),))]
    at = order.index(model)
    about = leaderboard.models.get(model)
    kin = {about.teacher, about.control} if about else set()
    near = [name for i, name in enumerate(order) if abs(i - at) <= NEIGHBOURS or name in kin]
    sections = [board_section(leaderboard, board, only=near)]
    return [*sections, _comparisons(board, model, order, near)] if board.has_words else sections


def _comparisons(board: Board, model: str, order: Sequence[str], near: Sequence[str]) -> Section:
    pooled = pool([board])
    p_values, at = pairwise_p(board.aligned, clusters=pooled.clusters), board.models.index
    done = board.aligned.done
    errors = {name: board.aligned.capped_errors(at(name)) * done for name in order}
    words = board.aligned.reference_words * done
    differs = {name: p_values[at(model), at(name)] < ALPHA for name in order if name != model}
    groups = {
        "better": [name for name, yes in differs.items() if yes and errors[model].sum() < errors[name].sum()],
        "worse": [name for name, yes in differs.items() if yes and errors[model].sum() > errors[name].sum()],
        "cannot be told apart": [name for name, yes in differs.items() if not yes],
    }
    verdicts = {name: verdict for verdict, names in groups.items() for name in names}
    rows = []
    for name in near:
        if name == model:
            continue
        difference = paired_difference(errors[model], errors[name], words, pooled.clusters).difference
        p = float(p_values[at(model), at(name)])
        rows.append((Cell(text=name), estimate_cell(WER_CAPPED_DIFFERENCE, difference), cell(_P, p), Cell(text=verdicts[name])))
    columns = (
        Column(label="compared with", text=True),
        column(WER_CAPPED_DIFFERENCE),
        Column(label=_P.label),
        Column(label="verdict", text=True),
    )
    notes = [f"{_SAID[verdict]}: {', '.join(names)}." for verdict, names in groups.items() if names]
    how = (
        "Below 0 the new result is better. Intervals and p: labels swapped by recording or speaker; p is Holm-corrected over all pairs of "
        "the table."
    )
    return Section(title=f"{model} and the others", level=3, notes=(*notes, how), table=Table(columns=columns, rows=tuple(rows)))


def _alone(leaderboard: Leaderboard, board: Board) -> str:
    anchor = next(
        (one for one in leaderboard.boards if (one.suite, one.corpus) == (board.suite, board.corpus) and leaderboard.anchor in one.results),
        None,
    )
    if anchor is None or anchor is board:
        return "No other model has results on this suite and corpus."
    heard = set(zip(board.aligned.condition, board.aligned.utterance, board.audio, strict=True))
    wanted = list(zip(anchor.aligned.condition, anchor.aligned.utterance, anchor.audio, strict=True))
    lacking = [key for key in wanted if key not in heard]
    conditions = [name for name in anchor.conditions if any(condition == name for condition, *_ in lacking)]
    return (
        f"Not comparable: of the {len(wanted)} clips that {leaderboard.anchor} heard here, {len(lacking)} are missing or sound otherwise, "
        f"in {', '.join(conditions)}."
    )


def _rank(record: dict[object, object]) -> str:
    best, worst = record["rank_best"], record["rank_worst"]
    return str(best) if best == worst else f"{best} to {worst}"
