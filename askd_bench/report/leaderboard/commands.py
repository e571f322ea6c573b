"""What a model has to be run on to be ranked: the anchor's audio as commands."""

from askd_bench.report.leaderboard.boards import Board
from askd_bench.report.leaderboard.frame import Leaderboard
from askd_bench.suites import bundled_suites, load_suite


def commands(leaderboard: Leaderboard) -> list[str]:
    """Return a command a suite of which the anchor has results, as far as this version has that suite.

    Each makes a model hear at least what the anchor heard: boards are cut to that, and a sample of more utterances holds every smaller one.
    """
    own = [board for board in leaderboard.boards if leaderboard.anchor in board.results]
    labels = {load_suite(name).label: name for name in bundled_suites()}
    return [
        _command(labels[suite], [board for board in own if board.suite == suite])
        for suite in dict.fromkeys(board.suite for board in own)
        if suite in labels
    ]


def _command(name: str, boards: list[Board]) -> str:
    suite = load_suite(name)
    corpora = [str(board.signatures[next(iter(board.signatures))].corpus.source) for board in boards]
    heard = dict.fromkeys(condition for board in boards for condition in board.conditions)
    utterances = max(len(set(board.aligned.utterance)) for board in boards)
    options = [f"--corpus {corpus}" for corpus in corpora] if set(corpora) != set(suite.corpora) else []
    if set(heard) == set(suite.conditions) and len(heard) > len(suite.select()):
        options.append("--full")
    elif set(heard) - {condition.id for condition in suite.select()}:
        options += [f"--conditions {condition}" for condition in heard if condition != suite.baseline]
    if (suite.limit is not None and utterances > suite.limit) or "--full" in options:
        options.append(f"--limit {utterances}")
    return " ".join([f"askd-bench run --suite {name}", *options, "--model MODEL --dtype float32 --output reference_results"])
