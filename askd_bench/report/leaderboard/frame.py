"""The whole leaderboard as one pandas frame, a function of the rows of all result directories."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from askd_bench.errors import UserError
from askd_bench.metrics.estimate import Estimate, rounded
from askd_bench.report.leaderboard.boards import Board, anchor_of, core, read_boards
from askd_bench.report.leaderboard.descriptions import AboutModel, Published, family, read_models, read_published
from askd_bench.report.leaderboard.figures import FIGURES, TEACHING, by_condition, figures, floor, ranks, teaching
from askd_bench.report.leaderboard.pools import Pool, pool
from askd_bench.report.leaderboard.speeds import Bench, read_speeds
from askd_bench.results import find_results
from askd_bench.signature import Signature

OVERALL = "overall"
ALL_CORPORA = "all"
ALL_CONDITIONS = "all"

_CIRCUMSTANCES = ("dtype", "device", "threads", "batch_size")
_IDENTITY = ("weights_sha256", "parameters", "decoding", "dtype")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Everything that is shown.

    Attributes:
        anchor: the model whose audio decides what is comparable.
        boards: of all suites and corpora; several for one where models heard different audio.
        overall: the anchor's boards of the core suites (`boards.CORE`), laid end to end; None where nothing is said on any.
        frame: one row a model on a board and condition, with columns `suite, corpus, board, condition, model, rank_best, rank_worst,
            utterances, reference_words, failed, parameters, dtype, device, threads, batch_size, teacher, control`, and `NAME`, `NAME_low`,
            `NAME_high` for each of `FIGURES` and `TEACHING`. Rows of one condition hold `wer` and `hallucination_rate` without intervals.
            Corpus "all" pools a suite's boards with the anchor, suite "overall" those of the core suites.
        models: what is known of them. speeds: how fast they were by themselves, where that was measured. published: tables from elsewhere.
    """

    anchor: str
    boards: tuple[Board, ...]
    overall: Pool | None
    frame: pd.DataFrame
    models: Mapping[str, AboutModel]
    speeds: Mapping[str, Bench]
    published: tuple[Published, ...]


def leaderboard_of(folder: Path) -> Leaderboard:
    """Read all results of a folder and compute every figure.

    Raises:
        UserError: no result directory, a file that is malformed, or two different models under one name.
    """
    results = find_results(folder)
    boards = tuple(read_boards(results))
    anchor = anchor_of(results)
    if anchor is None or not boards:
        raise UserError(
            f"results: {str(folder)!r} holds no results of test speech (allowed: a folder of <model>/<suite>-v<version>/<corpus>/)"
        )
    names = sorted({name for board in boards for name in board.models})
    for name in names:
        _check_identity(name, [board for board in boards if name in board.results])
    models = read_models(folder, names)
    with_anchor = [board for board in boards if anchor in board.results]
    spoken = [board for board in with_anchor if board.has_words]
    overall = pool(core(spoken)) if spoken else None
    records: list[dict[str, Any]] = []
    if overall:
        records += _scope(overall, models, OVERALL, ALL_CORPORA)
    by_suite: defaultdict[str, list[Board]] = defaultdict(list)
    for board in with_anchor:
        by_suite[board.suite].append(board)
    for suite, own in by_suite.items():
        records += _scope(pool(own), models, suite, ALL_CORPORA)
    numbers: defaultdict[tuple[str, str], int] = defaultdict(int)
    for board in boards:
        numbers[board.suite, board.corpus] += 1
        number = numbers[board.suite, board.corpus]
        alone = pool([board])
        records += _scope(alone, models, board.suite, board.corpus, number)
        records += _conditions(alone, board, number)
    return Leaderboard(
        anchor=anchor,
        boards=boards,
        overall=overall,
        frame=_frame(records),
        models=models,
        speeds=read_speeds(folder, {name: board.signatures[name].model.weights_sha256 for board in boards for name in board.models}),
        published=read_published(folder),
    )


def _check_identity(name: str, boards: Sequence[Board]) -> None:
    seen: dict[str, tuple[Any, Board]] = {}
    for board in boards:
        model = board.signatures[name].model.model_dump()
        for key in _IDENTITY:
            value, first = seen.setdefault(key, (model[key], board))
            if value != model[key]:
                raise UserError(
                    f"results: {name!r} has {key} {value} on {first.suite}/{first.corpus} and {model[key]} on {board.suite}/{board.corpus} "
                    "(allowed: one model, decoded in one way, under one name)"
                )


def _scope(pooled: Pool, models: Mapping[str, AboutModel], suite: str, corpus: str, number: int = 1) -> Iterable[dict[str, Any]]:
    """Yield a record a model: its figures over the pool, its rank, and what it has of its teacher."""
    places = {rank.name: (rank.best, rank.worst) for rank in ranks(pooled)}
    words = int(pooled.aligned.reference_words.sum())
    teachers = {about.teacher for name in places if (about := models.get(name)) and about.teacher in pooled.models}
    # of each other family its head alone: students of one teacher are not several witnesses, and bad ones share little with anybody
    heads = [one for one in places if family(models, one) == one]
    floors = {
        teacher: floor(pooled, teacher=teacher, unrelated=[one for one in heads if one != family(models, teacher)])
        for teacher in sorted(filter(None, teachers))
    }
    for model in places or sorted(pooled.models):
        best, worst = places.get(model, (None, None))
        about = models.get(model)
        estimates = dict(figures(pooled, model))
        if about and about.teacher in pooled.models and places:
            estimates |= teaching(pooled, student=model, teacher=about.teacher, control=about.control, unrelated=floors[about.teacher])
        yield {
            **_key(suite, corpus, number, ALL_CONDITIONS, model),
            "rank_best": best,
            "rank_worst": worst,
            "utterances": len(pooled.clean),
            "reference_words": words,
            "failed": int(pooled.aligned.systems[pooled.models.index(model)].failed.sum()),
            **_circumstances([board.signatures[model] for board in pooled.boards]),
            "teacher": about.teacher if about else None,
            "control": about.control if about else None,
            **_flat(estimates),
        }


def _conditions(pooled: Pool, board: Board, number: int) -> Iterable[dict[str, Any]]:
    tables = {model: by_condition(pooled, model) for model in board.models}
    for condition in board.conditions:
        here = pooled.boards[0].aligned.condition == condition
        for model in board.models:
            yield {
                **_key(board.suite, board.corpus, number, condition, model),
                "utterances": int(here.sum()),
                "reference_words": int(board.aligned.reference_words[here].sum()),
                "failed": int(board.aligned.systems[board.models.index(model)].failed[here].sum()),
                **{name: rounded(value) for name, value in tables[model][condition].items()},
            }


def _key(suite: str, corpus: str, number: int, condition: str, model: str) -> dict[str, Any]:
    return {"suite": suite, "corpus": corpus, "board": number, "condition": condition, "model": model}


def _circumstances(signatures: Sequence[Signature]) -> dict[str, Any]:
    """Return the model's size, and how it ran; where runs differ, each way once."""
    flat = [{**signature.model.model_dump(), "batch_size": signature.batch_size} for signature in signatures]
    ways = {name: " or ".join(dict.fromkeys(str(one[name]) for one in flat)) for name in _CIRCUMSTANCES}
    return {"parameters": flat[0]["parameters"], **ways}


def _flat(estimates: Mapping[str, Estimate]) -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for name, estimate in estimates.items():
        flat |= {name: rounded(estimate.value), f"{name}_low": rounded(estimate.low), f"{name}_high": rounded(estimate.high)}
    return flat


def _frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    counts = ["rank_best", "rank_worst", "utterances", "reference_words", "failed", "parameters"]
    texts = [*_CIRCUMSTANCES, "teacher", "control"]
    numbers = [f"{name}{end}" for name in (*FIGURES, *TEACHING) for end in ("", "_low", "_high")]
    frame = pd.DataFrame(records, columns=[*_key("", "", 0, "", ""), *counts, *texts, *numbers])
    types = dict.fromkeys(counts, "Int64") | dict.fromkeys(numbers, "float64")
    return frame.astype(types)
