"""Every table a command prints is whole at any width: no number is cut, what leaves is named, and the error rate never leaves."""

import io
import itertools
import re
from pathlib import Path

import pytest
from page_results import TEACHER, some_rows, student, write_result
from rich.cells import cell_len
from rich.console import Console, RenderableType

from askd_bench.evaluation.latency_line import LatencyLine, LengthLatency
from askd_bench.evaluation.timings import Benchmark, Speed
from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.summary import POOLED
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.bench import bench_table, latency_table
from askd_bench.report.compare import compare, comparison_view
from askd_bench.report.groups import groups_view
from askd_bench.report.headline import headline
from askd_bench.report.listings import LISTINGS, conditions, listing_table
from askd_bench.report.score import score_table
from askd_bench.report.summaries import figure_cells, utterances_cell
from askd_bench.results import Result
from askd_bench.signature import ModelCard
from askd_bench.tables.terminal import terminal_table

CONDITIONS = ("clean", "white-10dB", "babble-0dB")
WIDTHS = (60, 80, 100, 120, 200)
NUMBER = re.compile(r"[\[(]*[−+]?\d[\d.,]*[\]),%;]*")
SPEED = Speed(
    batch_size=16, batches=123, p50_s=1.234, p95_s=12.345, clips_per_s=17.89, rtfx=123.4, frontend_s=0.012, peak_memory_bytes=10**9
)
LENGTHS = [LengthLatency(seconds=s, measurements=30, p50_s=0.1 * s, p95_s=0.2 * s, p99_s=0.3 * s) for s in (2, 5, 30)]


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Results of a student, its teacher and a control."""
    folder = tmp_path_factory.mktemp("family")
    few = some_rows(24, CONDITIONS)
    changes = {"mine": [student("s", error_rate=0.2)], TEACHER: [], "control": [student("c", error_rate=0.3)]}
    own, teacher, control = (write_result(folder, name, few, *change) for name, change in changes.items())
    return own, teacher, control


@pytest.fixture(scope="module")
def made(family: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, RenderableType]:
    """Name of a table -> what its command prints."""
    folder, (own, teacher, control) = tmp_path_factory.mktemp("others"), family
    accents = write_result(folder, "accented", source=REFERENCE_RESULTS_DIR / TEACHER / "accents-v1" / "accents")
    card: ModelCard = Result.open(own).signature().model
    shown: dict[str, RenderableType] = {
        "run": headline(Result.open(own)),
        "score": score_table(control, "none"),
        "score, all normalisers": score_table(own, "all"),
        "compare": comparison_view(compare(own, teacher), ["teacher: dtype: float32 -> bfloat16"]),
        "compare with a control": comparison_view(compare(own, teacher, control=control)),
        "groups": groups_view(Result.open(accents)),
        "groups by speaker": groups_view(Result.open(accents), by="speaker"),
        "bench": bench_table(Benchmark(card, 32, 123.4, [SPEED])),
        "bench --seconds": latency_table(LatencyLine(card=card, fixed_s=0.123, per_second=0.0123, lengths=LENGTHS)),
        "list conditions": terminal_table(listing_table(conditions("telephony"))),
    }
    listed = {what: records() for what, records in LISTINGS.items()}
    for record in listed["models"]:
        record["folder"] = Path(record["folder"]).name  # where the repository is must not decide which digits of a path are wrapped
    return shown | {f"list {what}": terminal_table(listing_table(records)) for what, records in listed.items()}


NAMES = (
    *("run", "score", "score, all normalisers", "compare", "compare with a control", "groups", "groups by speaker", "bench"),
    *("bench --seconds", "list conditions", *(f"list {what}" for what in LISTINGS)),
)


def printed(renderable: RenderableType, width: int, *, colour: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=colour, color_system="truecolor" if colour else None).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_cut_and_no_line_is_too_long(name: str, made: dict[str, RenderableType]) -> None:
    whole = set(printed(made[name], 1000).split())
    for width in WIDTHS:
        lines = printed(made[name], width).splitlines()
        assert max(map(cell_len, lines)) <= width
        words = [word for line in lines for word in line.split()]
        assert "…" not in "".join(words)
        assert {word for word in words if NUMBER.fullmatch(word)} <= whole, width


def test_every_table_is_tried(made: dict[str, RenderableType]) -> None:
    assert set(made) == set(NAMES)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colour", [False, True])
def test_the_error_rate_its_interval_and_count_never_leave(
    width: int, colour: bool, made: dict[str, RenderableType], family: tuple[Path, Path, Path]
) -> None:
    lines = re.sub(r"\x1b\[[\d;]*m", "", printed(made["run"], width, colour=colour)).splitlines()
    summary = Result.open(family[0]).current_summary()
    for condition in (*CONDITIONS, POOLED):
        [wer], count = figure_cells(summary, condition, ["wer"]), utterances_cell(summary, condition).text
        at = next(i for i, line in enumerate(lines) if line.split()[:1] == [condition])
        assert lines[at].split()[1:3] == [count, wer.text]
        assert wer.interval in lines[at] + lines[at + 1]


def test_what_leaves_is_named_the_least_important_first(made: dict[str, RenderableType]) -> None:
    own = {width: " ".join(printed(made["run"], width).split()).partition("Beside packaged models")[0] for width in WIDTHS}
    left = {width: one.partition("Left out at this width: ")[2].strip().removesuffix(".") for width, one in own.items()}
    assert left[200] == ""
    assert METRICS["cer"].label in left[80]
    for narrow, wide in itertools.pairwise(WIDTHS):
        assert set(filter(None, left[wide].split(", "))) <= set(left[narrow].split(", ")), "a wider terminal shows no less"
    for width in WIDTHS:
        assert METRICS["wer"].label not in left[width]
